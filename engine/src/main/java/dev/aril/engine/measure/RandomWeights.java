package dev.aril.engine.measure;

import dev.aril.engine.kernels.Bf16Bits;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.kernels.LowRank;
import dev.aril.engine.model.LayerWeights;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Projection;
import dev.aril.engine.model.Recipe;
import dev.aril.engine.model.WeightSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Weights of the {@code w4a4} recipe that mean nothing, in a model's shape: what a step costs does
 * not depend on their values. All layers are the same arrays on the host, so that a model of 7
 * billion weights takes half a gigabyte there; on the device each layer has memory of its own.
 *
 * @param embedding [vocabulary, hidden] bf16; the head's too
 */
record RandomWeights(ModelConfig config, short[] embedding, LayerWeights layer)
        implements WeightSource {
    /** Embeddings repeat themselves after so many values. */
    private static final int PERIOD = 1 << 20;

    /** Outputs of a layer come out about as large as its inputs, so that nothing overflows. */
    private static final float SCALE = 0.002f;

    private static final float OUTLIER_SCALE = 0.0001f;

    static RandomWeights of(ModelConfig config, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        List<LinearWeights> projections = new ArrayList<>();
        for (Projection p : Projection.values()) {
            projections.add(int4(p.out(config), p.in(config), random));
        }
        float[] norm = new float[config.hidden()];
        for (int i = 0; i < norm.length; i++) {
            norm[i] = 0.5f + (float) random.nextDouble();
        }
        int[] hidden = order(config.hidden());
        return new RandomWeights(
                config,
                bf16(Math.multiplyExact(config.vocabulary(), config.hidden()), random),
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

    /** A permutation that moves every channel: 31 is coprime to all widths. */
    private static int[] order(int width) {
        int[] order = new int[width];
        Arrays.setAll(order, i -> (i * 31 + 7) % width);
        return order;
    }

    /** Between -0.025 and 0.025. */
    static short[] bf16(int count, SplittableRandom random) {
        short[] values = new short[count];
        int period = Math.min(count, PERIOD);
        for (int i = 0; i < period; i++) {
            float value = (float) (random.nextDouble() - 0.5) * 0.05f;
            values[i] = Bf16Bits.upper(value);
        }
        for (int done = period; done < count; done += period) {
            System.arraycopy(values, 0, values, done, Math.min(period, count - done));
        }
        return values;
    }

    static LinearWeights.Int4 int4(int out, int in, SplittableRandom random) {
        int group = Recipe.W4A4.group();
        int outliers = Recipe.W4A4.outliers();
        byte[] nibbles = new byte[Math.multiplyExact(out, (in - outliers) / 2)];
        byte[] outlierCodes = new byte[out * outliers];
        random.nextBytes(nibbles);
        for (int i = 0; i < nibbles.length; i++) {
            int low = nibbles[i] & 15;
            int high = nibbles[i] >> 4 & 15;
            nibbles[i] = (byte) ((low == 8 ? 9 : low) | (high == 8 ? 9 : high) << 4);
        }
        random.nextBytes(outlierCodes);
        short[] scales = new short[out * ((in - outliers) / group)];
        for (int i = 0; i < scales.length; i++) {
            scales[i] = Float.floatToFloat16(SCALE * (0.5f + (float) random.nextDouble()));
        }
        float[] outlierScales = new float[out];
        Arrays.fill(outlierScales, OUTLIER_SCALE);
        return new LinearWeights.Int4(
                out, in, group, outliers, nibbles, scales, outlierCodes, outlierScales);
    }

    static LowRank lowRank(int rank, int in, int out, SplittableRandom random) {
        float[] a = new float[rank * in];
        float[] b = new float[rank * out];
        for (int i = 0; i < a.length; i++) {
            a[i] = (float) (random.nextDouble() - 0.5) * 0.02f;
        }
        for (int i = 0; i < b.length; i++) {
            b[i] = (float) (random.nextDouble() - 0.5) * 0.02f;
        }
        return new LowRank(rank, a, b);
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
