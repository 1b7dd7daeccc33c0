package dev.aril.engine.model;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.TokenLogprobs;
import dev.aril.engine.kernels.Draw;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.kernels.Kernels.KvCache;
import dev.aril.engine.kernels.Kernels.Linear;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.Kernels.Table;
import dev.aril.engine.kernels.KvShape;
import dev.aril.engine.kernels.LowRank;
import dev.aril.engine.kernels.Rows;
import dev.aril.engine.schedule.Batch;
import dev.aril.engine.schedule.LoraSegments;
import dev.aril.engine.schedule.Span;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/** The decoder's forward pass: a batch's rows in, logits out. */
public final class Forward implements StepRunner {
    /** Slots for resident adapters; what limits them in practice is bytes. */
    private static final int ADAPTER_SLOTS = 1024;

    /** Sixteen million positions; books are kept of each block. */
    private static final int MOST_BLOCKS = 1 << 20;

    /** How long the kernels run for nothing, before there is anything to do. */
    private static final Duration WARM_UP = Duration.ofSeconds(2);

    private final ModelConfig config;
    private final Kernels kernels;
    private final AdapterFolding folding;
    private final Table embedding;
    private final Linear head;
    private final float[] finalNorm;
    private final List<DecoderLayer> layers = new ArrayList<>();
    private final Matrix hidden;
    private final int blocks;
    private final KvCache cache;
    private final AtomicReferenceArray<@Nullable Adapter> adapters =
            new AtomicReferenceArray<>(ADAPTER_SLOTS);
    private Matrix logits;
    private Runnable launched = () -> {};

    /** Spans of the batch launched last that sample. */
    private int samples;

    private long warmUpEnd;
    private boolean closed;

    /**
     * As the other, with a cache of known size.
     *
     * @param kvBytes at least a context's worth is taken
     */
    public Forward(WeightSource weights, Kernels kernels, int maxRows, long kvBytes) {
        this(weights, kernels, maxRows, free -> kvBytes);
    }

    /**
     * Puts the weights on the device.
     *
     * @param maxRows rows a batch may have
     * @param kvBytes of the KV cache, asked with the bytes that all else leaves; at least a
     *     context's worth is taken
     * @throws IllegalArgumentException if the device's memory or its kernels do not take this model
     */
    public Forward(WeightSource weights, Kernels kernels, int maxRows, LongUnaryOperator kvBytes) {
        this.config = weights.config();
        this.kernels = kernels;
        Recipe recipe = weights.recipe();
        KvShape block = kvBlock(weights);
        Footprint.of(config, recipe, block).check(kernels.freeBytes());
        this.folding = new AdapterFolding(config, recipe);
        this.embedding =
                kernels.loadTable(weights.embedding(), config.vocabulary(), config.hidden());
        this.head = kernels.loadHead(weights.head(), recipe.quantized());
        this.finalNorm = weights.finalNorm();
        DecoderLayer.Buffers buffers =
                new DecoderLayer.Buffers(kernels, config, recipe, maxRows, config.contextLength());
        for (int l = 0; l < config.layers(); l++) {
            layers.add(new DecoderLayer(weights.layer(l), l, buffers));
        }
        this.hidden = kernels.matrix(maxRows, config.hidden());
        this.logits = kernels.matrix(1, config.vocabulary());
        this.blocks =
                (int)
                        Math.clamp(
                                kvBytes.applyAsLong(kernels.freeBytes()) / block.blockBytes(),
                                Footprint.blocks(config),
                                MOST_BLOCKS);
        this.cache = kernels.allocate(block.withBlocks(blocks));
    }

    private static KvShape kvBlock(WeightSource weights) {
        ModelConfig config = weights.config();
        return new KvShape(
                config.layers(), 1, config.kvHeads(), config.headDim(), weights.recipe().cache());
    }

    /** Bytes that one block of a model's KV cache takes. */
    public static long kvBlockBytes(WeightSource weights) {
        return kvBlock(weights).blockBytes();
    }

    /** The virtual machine compiles what runs often: a few rows again and again. */
    @Override
    public boolean warmUp() {
        if (warmUpEnd == 0) {
            warmUpEnd = System.nanoTime() + WARM_UP.toNanos();
        }
        int[] tokens = new int[5]; // kernels for four rows and for one
        int[] positions = {0, 1, 2, 3, 4};
        Rows.Span[] span = {new Rows.Span(0, tokens.length, new int[] {0})};
        run(new Rows(tokens, positions, span, new Rows.Segment[0]), positions);
        return System.nanoTime() < warmUpEnd;
    }

    /**
     * Computes all rows and waits for them.
     *
     * @param sampled the rows whose logits are wanted
     * @return [sampled.length, vocabulary]
     */
    public float[] run(Rows rows, int[] sampled) {
        room(sampled.length);
        compute(rows, sampled);
        return kernels.read(logits, sampled.length);
    }

    /**
     * Computes all rows, chooses the next ids of some, and waits for them.
     *
     * @param sampled the rows that are continued
     * @param draws how, a row each
     */
    public int[] next(Rows rows, int[] sampled, List<Draw> draws) {
        step(rows, sampled, draws);
        return kernels.sampled();
    }

    private void step(Rows rows, int[] sampled, List<Draw> draws) {
        room(sampled.length);
        kernels.step(
                rows,
                sampled,
                draws,
                () -> {
                    compute(rows, sampled);
                    kernels.sample(logits, draws);
                });
    }

    private void room(int samples) {
        if (samples > logits.rows()) {
            // memory on a device is not given back: grow in few steps
            int rows = Math.min(hidden.rows(), 4 * logits.rows());
            logits = kernels.matrix(Math.max(rows, samples), config.vocabulary());
        }
    }

    private void compute(Rows rows, int[] sampled) {
        kernels.embed(rows, embedding, hidden);
        for (int l = 0; l < layers.size(); l++) {
            layers.get(l).run(rows, hidden, cache, l, null);
        }
        kernels.logits(sampled, hidden, finalNorm, config.normEpsilon(), head, logits);
    }

    @Override
    public void launch(Batch batch) {
        launched = step(batch);
        if (kernels.queued()) {
            launched.run();
        }
    }

    /** Where the host is the device, there is no beside: the step runs where it is awaited. */
    @Override
    public int[] await() {
        if (!kernels.queued()) {
            launched.run();
        }
        return Arrays.copyOf(kernels.sampled(), samples);
    }

    @Override
    public @Nullable TokenLogprobs[] logprobs() {
        return kernels.logprobs();
    }

    /** Reads all of a batch that may change before it is computed. */
    private Runnable step(Batch batch) {
        Rows.Span[] spans = new Rows.Span[batch.spans().size()];
        int[] scored = batch.scored();
        int[] sampled = new int[batch.samples() + scored.length];
        List<Draw> draws = new ArrayList<>(sampled.length);
        for (int s = 0; s < spans.length; s++) {
            Span span = batch.spans().get(s);
            spans[s] = new Rows.Span(span.firstRow(), span.rows(), span.sequence().blockTable());
            if (span.samples()) {
                sampled[draws.size()] = span.lastRow();
                draws.add(Draws.of(span.sequence()));
            }
        }
        for (int row : scored) {
            Span span = batch.spans().get(batch.spanOfRow()[row]);
            sampled[draws.size()] = row;
            draws.add(Draws.given(span.sequence(), batch.position(row)));
        }
        samples = batch.samples();
        Rows rows = new Rows(batch.tokens(), batch.positions(), spans, segments(batch.segments()));
        return () -> step(rows, sampled, draws);
    }

    private Rows.Segment[] segments(LoraSegments from) {
        Rows.Segment[] segments = new Rows.Segment[from.count()];
        for (int i = 0; i < segments.length; i++) {
            int first = from.starts()[i];
            Adapter adapter = adapters.get(from.slots()[i]);
            if (adapter == null) {
                throw new IllegalStateException("no adapter in slot " + from.slots()[i]);
            }
            segments[i] = new Rows.Segment(first, from.starts()[i + 1] - first, adapter);
        }
        return segments;
    }

    /** Puts an adapter on the device; safe beside a running step. */
    public Adapter load(PeftAdapter adapter) {
        @Nullable LowRank[][] folded = new LowRank[config.layers()][Projection.values().length];
        for (int l = 0; l < config.layers(); l++) {
            for (Projection p : config.projections()) {
                LoraPair pair = adapter.pair(l, p).orElse(null);
                if (pair != null) {
                    folded[l][p.ordinal()] = folding.fold(pair, p, layers.get(l).orders());
                }
            }
        }
        return kernels.load(folded);
    }

    @Override
    public long loadAdapter(AdapterRef ref, int slot) throws AdapterRejected, IOException {
        try (PeftAdapter file = PeftAdapter.read(ref.folder(), config)) {
            Adapter adapter = load(file);
            adapters.set(slot, adapter);
            return adapter.bytes();
        }
    }

    @Override
    public void evictAdapter(int slot) {
        Adapter evicted = adapters.getAndSet(slot, null);
        if (evicted != null) {
            kernels.unload(evicted);
        }
    }

    @Override
    public boolean sound() {
        return kernels.sound();
    }

    public ModelConfig config() {
        return config;
    }

    public String device() {
        return kernels.device();
    }

    public long kvBytes() {
        return cache.bytes();
    }

    @Override
    public int kvBlocks() {
        return blocks;
    }

    @Override
    public int kvBlockTokens() {
        return Kernels.BLOCK_TOKENS;
    }

    @Override
    public int adapterSlots() {
        return ADAPTER_SLOTS;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            kernels.close();
        }
    }
}
