package dev.aril.api;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.ContextOverflow;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineOverloaded;
import dev.aril.engine.Generation;
import dev.aril.engine.GenerationRequest;
import dev.aril.engine.SamplingParams;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.UsageLedger;
import java.time.Clock;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.springframework.stereotype.Component;

/** Starts generations, and knows which of them are still owed an end and a row in the ledger. */
@Component
public final class Generations {
    private final Engine engine;
    private final UsageLedger ledger;
    private final Blocking blocking;
    private final GenerationMetrics metrics;
    private final Clock clock;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition allSettled = lock.newCondition();
    private int open;
    private boolean draining;

    Generations(
            Engine engine,
            UsageLedger ledger,
            Blocking blocking,
            GenerationMetrics metrics,
            Clock clock) {
        this.engine = engine;
        this.ledger = ledger;
        this.blocking = blocking;
        this.metrics = metrics;
        this.clock = clock;
    }

    /**
     * Queues a sequence.
     *
     * @param promptField names the prompt in an error
     * @throws EngineOverloaded if the engine's queue is full or the server is going down
     * @throws Refusal if prompt and completion exceed the context
     */
    GenerationCall start(
            String id,
            Tenant tenant,
            ServedModel model,
            int[] prompt,
            SamplingParams sampling,
            String promptField) {
        opened();
        try {
            AdapterRef adapter = model.adapter();
            Generation generation =
                    engine.submit(
                            new GenerationRequest(
                                    id, tenant.id().toString(), prompt, adapter, sampling));
            GenerationCall call =
                    new GenerationCall(generation, tenant, model, ledger, blocking, metrics, clock);
            call.settled().whenComplete((done, failure) -> closed());
            return call;
        } catch (ContextOverflow e) {
            closed();
            throw new Refusal(Problems.contextOverflow(e, promptField));
        } catch (RuntimeException e) {
            closed();
            throw e;
        }
    }

    /**
     * What a generation needs before it can start. The engine is not closed meanwhile.
     *
     * @throws EngineOverloaded if the server is going down
     */
    <T> T prepare(Callable<T> work) throws Exception {
        opened();
        try {
            return work.call();
        } finally {
            closed();
        }
    }

    private void opened() {
        lock.lock();
        try {
            if (draining) {
                throw new EngineOverloaded("it is shutting down");
            }
            open++;
        } finally {
            lock.unlock();
        }
    }

    private void closed() {
        lock.lock();
        try {
            open--;
            if (open == 0) {
                allSettled.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    /** From now on {@link #start} refuses. */
    public void refuseNew() {
        lock.lock();
        try {
            draining = true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Waits until every generation has ended and is in the ledger.
     *
     * @return how many have not, when the time is up
     */
    public int awaitSettled(Duration atMost) throws InterruptedException {
        long left = atMost.toNanos();
        lock.lock();
        try {
            while (open > 0 && left > 0) {
                left = allSettled.awaitNanos(left);
            }
            return open;
        } finally {
            lock.unlock();
        }
    }
}
