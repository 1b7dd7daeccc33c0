package dev.aril.engine.measure;

import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.engine.Device;
import dev.aril.engine.kernels.Draw;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.kernels.KvFormat;
import dev.aril.engine.kernels.KvShape;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.kernels.LowRank;
import dev.aril.engine.kernels.Rows;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.LayerWeights;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Projection;
import dev.aril.engine.model.Recipe;
import dev.aril.engine.model.WeightSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Whole steps of a model with random weights: a new token for each sequence of a batch, and a
 * prompt at once. A step's time is what its caller waits: preparing the rows, the device's work,
 * the result on the host.
 *
 * @param batches sequences in a step
 * @param context positions of a sequence, the new one included
 * @param promptTokens of the prompt
 * @param rank of the adapters, which adapt all seven projections
 * @param warmUpSeconds how long steps run before they are measured
 */
record StepBenchmark(
        Device device,
        TorchBaseline torch,
        int[] batches,
        int context,
        int promptTokens,
        int rank,
        double warmUpSeconds,
        Consumer<Row> sink,
        Consumer<String> progress) {
    private static final int WARM_UP = 5;
    private static final int REPEATS = 30;
    private static final int PROMPT_REPEATS = 9;

    /** How long a step took and how much of that its caller did not wait for the device. */
    private record Times(double us, double hostUs) {}

    /** Where a model's weights went, seen by the order in which they are asked for. */
    private static final class Booked implements WeightSource {
        private final WeightSource weights;
        private final Meter meter;
        private long atEmbedding;
        private long atHead;
        private long afterHead;
        private long atFirstLayer;
        private long atLastLayer;

        Booked(WeightSource weights, Meter meter) {
            this.weights = weights;
            this.meter = meter;
        }

        @Override
        public ModelConfig config() {
            return weights.config();
        }

        @Override
        public Recipe recipe() {
            return weights.recipe();
        }

        @Override
        public short[] embedding() {
            atEmbedding = meter.usedBytes();
            return weights.embedding();
        }

        @Override
        public LinearWeights.Bf16 head() {
            atHead = meter.usedBytes();
            return weights.head();
        }

        @Override
        public float[] finalNorm() {
            afterHead = meter.usedBytes();
            return weights.finalNorm();
        }

        @Override
        public LayerWeights layer(int index) {
            long used = meter.usedBytes();
            atFirstLayer = index == 0 ? used : atFirstLayer;
            atLastLayer = used;
            return weights.layer(index);
        }

        Row row(Row row, long kvPerToken) {
            int layers = config().layers();
            long layer = (atLastLayer - atFirstLayer) / (layers - 1);
            long head = afterHead - atHead;
            long embedding = atHead - atEmbedding;
            return row.with("weight_bytes", embedding + head + layers * layer)
                    .with("embedding_bytes", embedding)
                    .with("head_bytes", head)
                    .with("layer_bytes", layer)
                    .with("kv_bytes_per_token", kvPerToken);
        }
    }

    /**
     * @param decode whether to measure decode steps
     * @param prefill whether to measure a prompt
     */
    void run(Shape shape, boolean decode, boolean prefill) {
        progress.accept("making random weights in the shape of " + shape.label());
        ModelConfig config = shape.config();
        RandomWeights weights = RandomWeights.of(config, 5);
        int sequences = Arrays.stream(batches).max().orElse(1);
        int prompt = Math.min(promptTokens, config.contextLength());
        int blocks = Math.max(sequences * blocks(context), blocks(prompt));
        KvShape one =
                new KvShape(
                        config.layers(),
                        1,
                        config.kvHeads(),
                        config.headDim(),
                        KvFormat.INT4_ROTATED);
        try (Meter meter = Meter.open(device)) {
            Booked booked = new Booked(weights, meter);
            Forward forward =
                    new Forward(
                            booked,
                            meter.kernels(),
                            Math.max(prompt, sequences),
                            blocks * one.blockBytes());
            if (device == Device.CUDA) {
                Row memory = Row.of("memory").with("shape", shape.label());
                sink.accept(booked.row(memory, one.blockBytes() / Kernels.BLOCK_TOKENS));
            }
            long start = System.nanoTime();
            while (System.nanoTime() - start < 1e9 * warmUpSeconds) {
                forward.warmUp();
            }
            if (prefill) {
                prefill(shape, meter, forward, prompt);
            }
            if (decode) {
                decode(shape, meter, forward, sequences);
            }
        }
    }

    private void prefill(Shape shape, Meter meter, Forward forward, int prompt) {
        progress.accept(shape.label() + ": a prompt of " + prompt + " tokens");
        Times times =
                time(
                        meter,
                        PROMPT_REPEATS,
                        () -> step(forward, prompt(forward, 0, 1, prompt), prompt - 1));
        Row row = times(Row.of("prefill").with("shape", shape.label()), times);
        row = row.with("tokens", prompt).with("tokens_per_s", prompt / times.us * 1e6);
        Map<String, ?> same = Map.of("case", shape.label(), "tokens", prompt);
        sink.accept(torch.beside(row, "prefill", same));
    }

    private void decode(Shape shape, Meter meter, Forward forward, int sequences) {
        int together = Math.max(1, Math.max(promptTokens, sequences) / context);
        for (int s = 0; s < sequences; s += together) {
            int count = Math.min(together, sequences - s);
            step(forward, prompt(forward, s, count, context - 1), 0);
        }
        List<Adapter> adapters = new ArrayList<>();
        for (int batch : batches) {
            decode(shape, meter, forward, batch, "off", new int[0], adapters);
        }
        load(meter, shape.config(), adapters, sequences);
        for (int batch : batches) {
            for (Popularity popularity : Popularity.values()) {
                int[] counts = popularity.counts(batch);
                boolean another =
                        batch > 1
                                || popularity == Popularity.NONE
                                || popularity == Popularity.DISTINCT;
                if (another && counts.length <= adapters.size()) {
                    decode(shape, meter, forward, batch, popularity.label(), counts, adapters);
                }
            }
        }
        adapters.forEach(meter.kernels()::unload);
    }

    private void load(Meter meter, ModelConfig config, List<Adapter> adapters, int wanted) {
        progress.accept("loading " + wanted + " adapters of rank " + rank);
        @Nullable LowRank[] pairs = new LowRank[LowRank.COUNT];
        SplittableRandom random = new SplittableRandom(9);
        for (Projection p : Projection.values()) {
            pairs[p.ordinal()] = RandomWeights.lowRank(rank, p.in(config), p.out(config), random);
        }
        @Nullable LowRank[][] layers = new LowRank[config.layers()][];
        Arrays.fill(layers, pairs);
        try {
            while (adapters.size() < wanted) {
                adapters.add(meter.kernels().load(layers));
            }
        } catch (OutOfDeviceMemory e) {
            progress.accept(
                    "the device has room for "
                            + adapters.size()
                            + " adapters; larger batches of distinct ones are left out");
        }
    }

    private void decode(
            Shape shape,
            Meter meter,
            Forward forward,
            int batch,
            String lora,
            int[] counts,
            List<Adapter> adapters) {
        progress.accept(shape.label() + ": decode, batch " + batch + ", adapters " + lora);
        int[] sampled = new int[batch];
        Arrays.setAll(sampled, i -> i);
        Times times =
                time(
                        meter,
                        REPEATS,
                        () ->
                                step(
                                        forward,
                                        LoraBenchmark.with(
                                                tokens(forward, batch), counts, adapters),
                                        sampled));
        Row row =
                Row.of("decode")
                        .with("shape", shape.label())
                        .with("b", batch)
                        .with("context", context)
                        .with("lora", lora);
        if (counts.length > 0) {
            row =
                    row.with("rank", rank)
                            .with("adapters", counts.length)
                            .with("adapter_bytes", adapters.getFirst().bytes());
        }
        row = times(row, times).with("tokens_per_s", batch / times.us * 1e6);
        Map<String, ?> same = Map.of("case", shape.label(), "b", batch, "ctx", context);
        sink.accept(torch.beside(row, "decode", same));
    }

    /** The host's share is told of a GPU alone: on the CPU all is the host's. */
    private Row times(Row row, Times times) {
        Row timed = row.with("us", times.us);
        return device == Device.CUDA ? timed.with("host_us", times.hostUs) : timed;
    }

    private static Times time(Meter meter, int repeats, Runnable step) {
        double[] all = new double[repeats];
        double[] host = new double[repeats];
        for (int i = -WARM_UP; i < repeats; i++) {
            long waited = meter.waitedNanos();
            long start = System.nanoTime();
            step.run();
            double us = (System.nanoTime() - start) / 1e3;
            all[Math.max(i, 0)] = us;
            host[Math.max(i, 0)] = us - (meter.waitedNanos() - waited) / 1e3;
        }
        return new Times(Quantile.median(all), Quantile.median(host));
    }

    /** As serving does it: greedily, ids on the host. */
    private static void step(Forward forward, Rows rows, int... sampled) {
        forward.next(rows, sampled, Collections.nCopies(sampled.length, Draw.greedy()));
    }

    /** The last position of each sequence of a batch. */
    private Rows tokens(Forward forward, int batch) {
        int[] tokens = new int[batch];
        int[] positions = new int[batch];
        Rows.Span[] spans = new Rows.Span[batch];
        for (int i = 0; i < batch; i++) {
            tokens[i] = (i * 53 + 11) % forward.config().vocabulary();
            positions[i] = context - 1;
            spans[i] = new Rows.Span(i, 1, table(i, context));
        }
        return new Rows(tokens, positions, spans, new Rows.Segment[0]);
    }

    /** The first positions of some sequences. */
    private static Rows prompt(Forward forward, int first, int sequences, int length) {
        int[] tokens = new int[sequences * length];
        int[] positions = new int[tokens.length];
        Rows.Span[] spans = new Rows.Span[sequences];
        for (int s = 0; s < sequences; s++) {
            for (int i = 0; i < length; i++) {
                tokens[s * length + i] =
                        (i * 37 + (first + s) * 101) % forward.config().vocabulary();
                positions[s * length + i] = i;
            }
            spans[s] = new Rows.Span(s * length, length, table(first + s, length + 1));
        }
        return new Rows(tokens, positions, spans, new Rows.Segment[0]);
    }

    private static int blocks(int positions) {
        return (positions + Kernels.BLOCK_TOKENS - 1) / Kernels.BLOCK_TOKENS;
    }

    /** A sequence's KV blocks, one after the other. */
    private static int[] table(int sequence, int positions) {
        int[] table = new int[blocks(positions)];
        Arrays.setAll(table, b -> sequence * table.length + b);
        return table;
    }
}
