package dev.aril.engine.measure;

import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Adapter;
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
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Prints the time of whole steps on the GPU, logits on the host included, of random weights in a
 * model's shape: JSON lines. A program for a machine with a GPU, not a test.
 */
final class DecodeSteps {
    private static final int CONTEXT = 512;
    private static final int ROWS = 512;
    private static final int REPEATS = 30;

    private static final ModelConfig LLAMA_2_7B =
            new ModelConfig(
                    4096, 11008, 32, 32, 32, 128, 32000, 4096, 10_000, 1e-5f, false, 1, Set.of(2));
    private static final ModelConfig NOVELLA =
            new ModelConfig(384, 1024, 6, 6, 2, 64, 4096, 1024, 10_000, 1e-5f, true, 1, Set.of(2));

    /** Every layer the same numbers, each in memory of its own. */
    private record RandomWeights(ModelConfig config, short[] embedding, LayerWeights layer)
            implements WeightSource {
        static RandomWeights of(ModelConfig config, Random random) {
            short[] embedding = new short[config.vocabulary() * config.hidden()];
            for (int i = 0; i < embedding.length; i++) {
                embedding[i] =
                        (short)
                                (Float.floatToRawIntBits((random.nextFloat() - 0.5f) * 0.05f)
                                        >>> 16);
            }
            List<LinearWeights> projections = new ArrayList<>();
            for (Projection p : Projection.values()) {
                projections.add(int4(p.out(config), p.in(config), random));
            }
            float[] norm = new float[config.hidden()];
            Arrays.fill(norm, 1f);
            int[] hidden = order(config.hidden());
            return new RandomWeights(
                    config,
                    embedding,
                    new LayerWeights(
                            norm,
                            norm,
                            new LayerWeights.ChannelOrders(
                                    hidden,
                                    order(config.queryWidth()),
                                    hidden,
                                    order(config.intermediate())),
                            projections));
        }

        private static int[] order(int width) {
            int[] order = new int[width];
            Arrays.setAll(order, i -> (i * 31 + 7) % width); // 31 and the widths are coprime
            return order;
        }

        private static LinearWeights int4(int out, int in, Random random) {
            int groups = in / 128 - 1;
            byte[] nibbles = new byte[out * groups * 64];
            byte[] outliers = new byte[out * 128];
            random.nextBytes(nibbles);
            random.nextBytes(outliers);
            short[] scales = new short[out * groups];
            Arrays.fill(scales, Float.floatToFloat16(0.002f));
            float[] outlierScales = new float[out];
            Arrays.fill(outlierScales, 0.0001f);
            return new LinearWeights.Int4(
                    out, in, 128, 128, nibbles, scales, outliers, outlierScales);
        }

        @Override
        public Recipe recipe() {
            return Recipe.W4A4;
        }

        @Override
        public LinearWeights.Bf16 head() {
            return new LinearWeights.Bf16(config.vocabulary(), config.hidden(), embedding);
        }

        @Override
        public float[] finalNorm() {
            return layer.attentionNorm();
        }

        @Override
        public LayerWeights layer(int index) {
            return layer;
        }
    }

    private DecodeSteps() {}

    /**
     * @param arguments shapes: novella or llama-2-7b
     */
    public static void main(String[] arguments) {
        for (String name : arguments) {
            measure(name, name.equals("novella") ? NOVELLA : LLAMA_2_7B);
        }
    }

    private static void measure(String name, ModelConfig config) {
        Random random = new Random(5);
        try (Kernels kernels = new CudaKernels(0)) {
            long kvBytes =
                    64L
                            * CONTEXT
                            * config.layers()
                            * config.kvHeads()
                            * 2
                            * (config.headDim() / 2 + 4);
            Forward forward = new Forward(RandomWeights.of(config, random), kernels, ROWS, kvBytes);
            List<Adapter> adapters = new ArrayList<>();
            @Nullable LowRank[][] low = new LowRank[config.layers()][];
            Arrays.fill(low, pairs(config, 16, random));
            for (int i = 0; i < 64; i++) {
                adapters.add(kernels.load(low));
            }
            for (int s = 0; s < 64; s++) { // fill the cache
                prefill(forward, s);
            }
            double[] prompts = new double[REPEATS];
            for (int i = 0; i < REPEATS; i++) {
                prompts[i] = prefill(forward, i);
            }
            print(name, "prefill", CONTEXT, 0, prompts);
            for (int batch : new int[] {1, 16, 64}) {
                for (int distinct : new int[] {0, batch}) {
                    double[] steps = new double[REPEATS];
                    for (int i = -5; i < REPEATS; i++) {
                        double time = decode(forward, adapters, batch, distinct);
                        steps[Math.max(i, 0)] = time;
                    }
                    print(name, "decode", batch, distinct, steps);
                }
            }
        }
    }

    private static @Nullable LowRank[] pairs(ModelConfig config, int rank, Random random) {
        @Nullable LowRank[] pairs = new LowRank[LowRank.COUNT];
        for (Projection p : Projection.values()) {
            float[] a = new float[rank * p.in(config)];
            float[] b = new float[rank * p.out(config)];
            for (int i = 0; i < a.length; i++) {
                a[i] = (random.nextFloat() - 0.5f) * 0.02f;
            }
            for (int i = 0; i < b.length; i++) {
                b[i] = (random.nextFloat() - 0.5f) * 0.02f;
            }
            pairs[p.ordinal()] = new LowRank(rank, a, b);
        }
        return pairs;
    }

    private static int[] blocks(int sequence) {
        int[] blocks = new int[CONTEXT / Kernels.BLOCK_TOKENS];
        Arrays.setAll(blocks, b -> sequence * blocks.length + b);
        return blocks;
    }

    private static double prefill(Forward forward, int sequence) {
        int[] tokens = new int[CONTEXT];
        Arrays.setAll(tokens, i -> (i * 37 + sequence * 101) % forward.config().vocabulary());
        int[] positions = new int[CONTEXT];
        Arrays.setAll(positions, i -> i);
        Rows.Span[] spans = {new Rows.Span(0, CONTEXT, blocks(sequence))};
        Rows rows = new Rows(tokens, positions, spans, new Rows.Segment[0]);
        long start = System.nanoTime();
        forward.run(rows, new int[] {CONTEXT - 1});
        return (System.nanoTime() - start) / 1e6;
    }

    private static double decode(Forward forward, List<Adapter> adapters, int batch, int distinct) {
        int[] tokens = new int[batch];
        int[] positions = new int[batch];
        int[] sampled = new int[batch];
        Rows.Span[] spans = new Rows.Span[batch];
        Rows.Segment[] segments = new Rows.Segment[distinct];
        for (int i = 0; i < batch; i++) {
            tokens[i] = (i * 53 + 11) % forward.config().vocabulary();
            positions[i] = CONTEXT - 1;
            sampled[i] = i;
            spans[i] = new Rows.Span(i, 1, blocks(i));
            if (i < distinct) {
                segments[i] = new Rows.Segment(i, 1, adapters.get(i));
            }
        }
        Rows rows = new Rows(tokens, positions, spans, segments);
        long start = System.nanoTime();
        forward.run(rows, sampled);
        return (System.nanoTime() - start) / 1e6;
    }

    private static void print(String model, String what, int rows, int distinct, double[] times) {
        Arrays.sort(times);
        System.out.printf(
                Locale.ROOT,
                "{\"model\":\"%s\",\"what\":\"%s\",\"rows\":%d,\"context\":%d,\"rank\":16,"
                        + "\"distinctAdapters\":%d,\"medianMs\":%.3f,\"minMs\":%.3f,\"maxMs\":%.3f}%n",
                model,
                what,
                rows,
                CONTEXT,
                distinct,
                times[times.length / 2],
                times[0],
                times[times.length - 1]);
    }
}
