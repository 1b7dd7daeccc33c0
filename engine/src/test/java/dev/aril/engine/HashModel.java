package dev.aril.engine;

import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.engine.kernels.Draw;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.ReferenceKernels;
import dev.aril.engine.model.Draws;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.StepRunner;
import dev.aril.engine.schedule.Batch;
import dev.aril.engine.schedule.Span;
import dev.aril.engine.text.ChatTemplate;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntUnaryOperator;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A model without weights: the next id is a hash of the adapter and of all ids that it finds in the
 * KV blocks, which here hold the ids themselves. So a wrong block table, a lost position or
 * another's adapter changes the answer.
 */
class HashModel implements StepRunner {
    static final int VOCABULARY = 4096;
    static final int CONTEXT = 200;
    static final int EOS = 2;
    private static final int ADAPTER_BYTES = 100;
    private static final Path NOVELLA = Path.of("..", "models", "novella-11m");

    final int[] cache;
    final int blocks;
    final Map<Integer, AdapterRef> resident = new ConcurrentHashMap<>();
    final AtomicInteger mostSequences = new AtomicInteger();

    /** Replaces the hash by an id for each position. */
    volatile @Nullable IntUnaryOperator script;

    /** Which steps fail, and whether they take the device with them. */
    volatile Predicate<Batch> failing = batch -> false;

    volatile boolean failsAtLaunch;
    volatile boolean deadly;
    volatile boolean lost;

    /** Who was in the step that failed. */
    final Set<String> failed = ConcurrentHashMap.newKeySet();

    /** What adapters can take, whatever the budget says. */
    volatile long memory = Long.MAX_VALUE;

    final AtomicInteger outOfMemory = new AtomicInteger();
    volatile int divergingPosition = -1;
    volatile @Nullable CountDownLatch loadGate;

    /** Open once a load has begun. */
    final CountDownLatch loading = new CountDownLatch(1);

    volatile boolean closed;

    private final Kernels sampler = new ReferenceKernels();
    private final ExecutorService device =
            Executors.newSingleThreadExecutor(Thread.ofVirtual().factory());
    private CompletableFuture<int[]> step = CompletableFuture.completedFuture(new int[0]);
    private volatile boolean flying;
    private volatile @Nullable TokenLogprobs[] logprobs = {};

    HashModel(int blocks) {
        this.blocks = blocks;
        this.cache = new int[blocks * kvBlockTokens()];
    }

    /** A step that computes this position of any sequence fails. */
    void failAt(int position) {
        failing = batch -> Arrays.stream(batch.positions()).anyMatch(p -> p == position);
    }

    /** An engine on this model, not begun. */
    static EngineLoop engine(StepRunner runner, RunnerSource source, EngineSettings settings)
            throws IOException {
        ModelConfig config =
                new ModelConfig(
                        384,
                        1024,
                        6,
                        6,
                        2,
                        64,
                        VOCABULARY,
                        CONTEXT,
                        10_000,
                        1e-5f,
                        true,
                        1,
                        Set.of(EOS));
        return new EngineLoop(
                new ModelCard("hash", "bf16", CONTEXT, VOCABULARY, 0),
                config,
                Tokenizer.open(NOVELLA),
                ChatTemplate.open(NOVELLA),
                runner,
                source,
                settings,
                folder -> new AdapterSummary("0".repeat(64), 8, List.of(), 1));
    }

    /** On a thread of its own, as a device is beside the host. */
    @Override
    public void launch(Batch batch) {
        if (lost) {
            throw new IllegalStateException("the device is lost");
        }
        mostSequences.accumulateAndGet(batch.spans().size(), Math::max);
        List<int[]> tables = new ArrayList<>();
        List<Draw> draws = new ArrayList<>();
        for (Span span : batch.spans()) {
            tables.add(span.sequence().blockTable());
            if (span.samples()) {
                draws.add(Draws.of(span.sequence()));
            }
        }
        int[] scored = batch.scored();
        for (int row : scored) {
            Span span = batch.spans().get(batch.spanOfRow()[row]);
            draws.add(Draws.given(span.sequence(), batch.position(row)));
        }
        int[] slots = new int[batch.spans().size()];
        Arrays.setAll(slots, i -> batch.spans().get(i).sequence().slot());
        boolean fails = failing.test(batch);
        if (fails) {
            lost = deadly;
            batch.spans().forEach(span -> failed.add(span.sequence().id()));
            if (failsAtLaunch) {
                throw new IllegalStateException("a launch failed, as the test wants");
            }
        }
        flying = true;
        step =
                CompletableFuture.supplyAsync(
                        () -> compute(batch, tables, slots, draws, scored, fails), device);
    }

    @Override
    public int[] await() {
        try {
            return step.join();
        } catch (CompletionException e) {
            throw new IllegalStateException(e.getCause());
        } finally {
            flying = false;
        }
    }

    private int[] compute(
            Batch batch,
            List<int[]> tables,
            int[] slots,
            List<Draw> draws,
            int[] scored,
            boolean fails) {
        if (fails) {
            throw new IllegalStateException("a kernel failed, as the test wants");
        }
        for (int row = 0; row < batch.rows(); row++) {
            int[] table = tables.get(batch.spanOfRow()[row]);
            cache[place(table, batch.position(row))] = batch.token(row);
        }
        Matrix logits = sampler.matrix(Math.max(1, draws.size()), VOCABULARY);
        float[] values = new float[Math.max(1, draws.size()) * VOCABULARY];
        int sample = 0;
        for (int i = 0; i < tables.size(); i++) {
            Span span = batch.spans().get(i);
            if (span.samples()) {
                int last = batch.position(span.lastRow());
                int next = next(tables.get(i), slots[i], last);
                values[sample++ * VOCABULARY + next] = last == divergingPosition ? Float.NaN : 10;
            }
        }
        for (int row : scored) {
            int span = batch.spanOfRow()[row];
            int next = next(tables.get(span), slots[span], batch.position(row));
            values[sample++ * VOCABULARY + next] = 10;
        }
        sampler.write(logits, values);
        sampler.sample(logits, draws);
        logprobs = sampler.logprobs();
        return Arrays.copyOf(sampler.sampled(), batch.samples());
    }

    @Override
    public @Nullable TokenLogprobs[] logprobs() {
        return logprobs;
    }

    private int next(int[] table, int slot, int last) {
        IntUnaryOperator fixed = script;
        if (fixed != null) {
            return fixed.applyAsInt(last);
        }
        AdapterRef adapter = resident.get(slot);
        int hash = adapter == null ? 17 : adapter.digest().hashCode();
        for (int p = 0; p <= last; p++) {
            hash = 31 * hash + cache[place(table, p)];
        }
        // no special tokens, so that nothing ends early
        return 7 + Math.floorMod(hash ^ (hash >>> 15), VOCABULARY - 7);
    }

    private int place(int[] table, int position) {
        return table[position / kvBlockTokens()] * kvBlockTokens() + position % kvBlockTokens();
    }

    @Override
    public long loadAdapter(AdapterRef adapter, int slot) throws AdapterRejected, IOException {
        loading.countDown();
        CountDownLatch gate = loadGate;
        if (gate != null) {
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }
        switch (adapter.folder().toString()) {
            case "refused" ->
                    throw new AdapterRejected(AdapterRejected.Part.CONFIG, "r must be at most 64");
            case "unreadable" -> throw new IOException("disk");
            case "huge" -> {
                return 2_000;
            }
            default -> {
                long used = (long) ADAPTER_BYTES * resident.size();
                if (used + ADAPTER_BYTES > memory) {
                    outOfMemory.incrementAndGet();
                    throw new OutOfDeviceMemory(ADAPTER_BYTES, used, memory);
                }
                resident.put(slot, adapter);
                return ADAPTER_BYTES;
            }
        }
    }

    @Override
    public void evictAdapter(int slot) {
        if (flying) {
            throw new IllegalStateException("a step may still read slot " + slot);
        }
        resident.remove(slot);
    }

    @Override
    public boolean sound() {
        return !lost;
    }

    @Override
    public int kvBlocks() {
        return blocks;
    }

    @Override
    public int kvBlockTokens() {
        return 8;
    }

    @Override
    public int adapterSlots() {
        return 3;
    }

    @Override
    public void close() {
        closed = true;
    }
}
