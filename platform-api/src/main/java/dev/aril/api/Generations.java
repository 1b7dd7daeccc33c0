package dev.aril.api;

import dev.aril.engine.ContextOverflow;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineOverloaded;
import dev.aril.engine.Generation;
import dev.aril.engine.GenerationRequest;
import dev.aril.tenancy.Admission;
import dev.aril.tenancy.QuotaRefused;
import dev.aril.tenancy.Reservation;
import dev.aril.tenancy.ReserveRequest;
import dev.aril.tenancy.TenantId;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.springframework.stereotype.Component;
import reactor.core.publisher.Mono;

/** Starts generations, and knows which of them are still owed an end and a row in the ledger. */
@Component
public final class Generations {
    private final Engine engine;
    private final Spending spending;
    private final TenantQueues queues;
    private final GenerationMetrics metrics;
    private final Patience patience;
    private final Clock clock;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition allSettled = lock.newCondition();
    private int open;
    private boolean draining;

    Generations(
            Engine engine,
            Spending spending,
            GenerationMetrics metrics,
            ApiSettings settings,
            Clock clock) {
        this.engine = engine;
        this.spending = spending;
        this.queues = new TenantQueues(settings.waitingPerTenant());
        this.metrics = metrics;
        this.patience = settings.patience();
        this.clock = clock;
    }

    /**
     * Reserves what a request may spend and queues its sequences, all or none.
     *
     * @param promptField names the prompt in an error
     * @return fails with {@link EngineOverloaded} if the engine's queue is full or the server is
     *     going down, and with a {@link Refusal} if prompt and completion exceed the context, or
     *     the tenant has no quota left or too much in the queue
     */
    Mono<GenerationCall> start(String id, Order order, String promptField) {
        return Mono.defer(() -> {
            check(order, promptField);
            opened();
            Instant acceptedAt = clock.instant();
            CompletableFuture<GenerationCall> started =
                    reserve(id, order)
                            .handle((admission, failure) -> {
                                if (admission == null) {
                                    closed();
                                    throw failure instanceof CompletionException wrapped
                                            ? wrapped
                                            : new CompletionException(failure);
                                }
                                return admitted(id, order, promptField, admission, acceptedAt);
                            });
            // whoever goes away meanwhile leaves nothing behind
            return Mono.fromFuture(started, true)
                    .doOnCancel(() -> started.thenAccept(GenerationCall::abandon));
        });
    }

    private CompletableFuture<Admission> reserve(String id, Order order) {
        return spending.reserve(
                new ReserveRequest(
                        id,
                        order.bearer().tenant().id(),
                        order.bearer().keyId(),
                        order.model().adapter() == null ? null : order.model().name(),
                        order.promptTokens(),
                        order.mostCompletionTokens()));
    }

    /** A request that the engine cannot take is refused before it costs the quota anything. */
    private void check(Order order, String promptField) {
        int context = engine.model().contextLength();
        int most = order.sampling().maxTokens();
        for (Order.Prompt prompt : order.prompts()) {
            if ((long) prompt.ids().length + most > context) {
                throw new Refusal(
                        Problems.contextOverflow(
                                new ContextOverflow(context, prompt.ids().length, most),
                                promptField));
            }
        }
    }

    private GenerationCall admitted(
            String id, Order order, String promptField, Admission admission, Instant acceptedAt) {
        return switch (admission) {
            case QuotaRefused refused -> {
                closed();
                throw new Refusal(QuotaProblems.of(refused, order.model().name()));
            }
            case Reservation reservation -> {
                Account account =
                        new Account(spending, reservation, acceptedAt, patience.settlement());
                account.closed().whenComplete((done, failure) -> closed());
                yield submit(id, order, promptField, account);
            }
        };
    }

    private GenerationCall submit(String id, Order order, String promptField, Account account) {
        List<Generation> begun = new ArrayList<>();
        TenantId tenant = order.bearer().tenant().id();
        TenantQueues.@Nullable Places places = null;
        try {
            places = queues.enter(tenant, order.choices());
            for (int i = 0; i < order.choices(); i++) {
                begun.add(
                        engine.submit(
                                new GenerationRequest(
                                        order.choices() == 1 ? id : id + "-" + i,
                                        tenant.toString(),
                                        order.prompt(i).ids(),
                                        order.model().adapter(),
                                        order.sampling(i))));
            }
        } catch (RuntimeException e) {
            begun.forEach(Generation::close);
            if (places != null) {
                places.leaveAll();
            }
            account.cancel();
            throw e instanceof ContextOverflow overflow
                    ? new Refusal(Problems.contextOverflow(overflow, promptField))
                    : e;
        }
        return new GenerationCall(id, order, begun, account, places, patience, metrics, clock);
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
