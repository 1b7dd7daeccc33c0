package dev.aril.engine;

import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.engine.model.StepRunner;
import dev.aril.engine.schedule.Batch;
import dev.aril.engine.schedule.Sequence;
import dev.aril.engine.schedule.Span;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A runner under the eyes of a test: that adapters are only moved where nobody uses them, with
 * loads that wait for the test and a step that takes the device with it.
 */
final class WatchedRunner implements StepRunner {
    private final StepRunner runner;
    final Queue<String> violations = new ConcurrentLinkedQueue<>();
    final AtomicInteger loads = new AtomicInteger();
    final AtomicInteger evictions = new AtomicInteger();
    final AtomicInteger outOfMemory = new AtomicInteger();

    /** Loads of an adapter wait for its latch. */
    final Map<AdapterRef, CountDownLatch> gates = new ConcurrentHashMap<>();

    private final Map<Integer, AdapterRef> slots = new ConcurrentHashMap<>();

    /** Of the last batch. */
    private final List<Sequence> sequences = new ArrayList<>();

    private boolean flying;
    private int steps;
    private boolean lost;

    /** The step that loses the device; 0 for none. */
    volatile int deadlyStep;

    WatchedRunner(StepRunner runner) {
        this.runner = runner;
    }

    private void check(boolean holds, String what) {
        if (!holds) {
            violations.add(what);
        }
    }

    @Override
    public void launch(Batch batch) {
        check(!flying, "one step at a time");
        flying = true;
        sequences.clear();
        for (Span span : batch.spans()) {
            Sequence sequence = span.sequence();
            sequences.add(sequence);
            if (sequence.adapter() != null) {
                check(
                        Objects.equals(slots.get(sequence.slot()), sequence.adapter()),
                        "a sequence runs with its own adapter");
            }
        }
        if (++steps == deadlyStep) {
            lost = true;
            throw new IllegalStateException("the device is lost, as the test wants");
        }
        runner.launch(batch);
    }

    @Override
    public int[] await() {
        flying = false;
        return runner.await();
    }

    @Override
    public @Nullable TokenLogprobs[] logprobs() {
        return runner.logprobs();
    }

    @Override
    public long loadAdapter(AdapterRef adapter, int slot) throws AdapterRejected, IOException {
        loads.incrementAndGet();
        check(!slots.containsKey(slot), "an adapter is loaded into an empty slot");
        CountDownLatch gate = gates.get(adapter);
        if (gate != null) {
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }
        try {
            long bytes = runner.loadAdapter(adapter, slot);
            slots.put(slot, adapter);
            return bytes;
        } catch (OutOfDeviceMemory e) {
            outOfMemory.incrementAndGet();
            throw e;
        }
    }

    @Override
    public void evictAdapter(int slot) {
        evictions.incrementAndGet();
        check(!flying, "nothing is evicted while a step may read it");
        for (Sequence sequence : sequences) {
            check(sequence.slot() != slot, "what a running sequence uses is not evicted");
        }
        check(slots.remove(slot) != null, "what is evicted is there");
        runner.evictAdapter(slot);
    }

    @Override
    public boolean warmUp() {
        return runner.warmUp();
    }

    @Override
    public boolean sound() {
        flying = false;
        return !lost && runner.sound();
    }

    @Override
    public int kvBlocks() {
        return runner.kvBlocks();
    }

    @Override
    public int kvBlockTokens() {
        return runner.kvBlockTokens();
    }

    @Override
    public int adapterSlots() {
        return runner.adapterSlots();
    }

    @Override
    public void close() {
        runner.close();
    }
}
