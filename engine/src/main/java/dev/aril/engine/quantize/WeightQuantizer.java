package dev.aril.engine.quantize;

import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.kernels.Matrices;
import dev.aril.engine.kernels.Matrices.Buffer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A projection's weights become INT4 groups and an INT8 outlier group. Groups are rounded in order;
 * with GPTQ (arXiv 2210.17323) the error of each moves into the columns behind it, at last into the
 * INT8 columns, which hardly lose any (Atom, arXiv 2310.19102).
 */
final class WeightQuantizer {
    private final Matrices matrices;
    private final float[] clips;

    /**
     * @param clips tried for each row's group, see {@link Rounding#clips}
     */
    WeightQuantizer(Matrices matrices, float[] clips) {
        this.matrices = matrices;
        this.clips = clips;
    }

    /**
     * @param weights [in, out] with inputs in channel order and groups rotated; overwritten
     * @param factor see {@link TriangularFactor}; null rounds to nearest
     */
    LinearWeights.Int4 quantize(Buffer weights, int group, int outliers, @Nullable Buffer factor) {
        int in = weights.rows();
        int out = weights.columns();
        int regular = in - outliers;
        int groups = regular / group;
        byte[] nibbles = new byte[Math.multiplyExact(out, regular / 2)];
        short[] scales = new short[out * groups];
        Buffer errors = factor == null ? null : matrices.allocate(group, out);
        for (int g = 0; g < groups; g++) {
            int at = g * group;
            int first = g;
            float[] own = matrices.read(weights.block(at, 0, group, out));
            float[] block =
                    factor == null ? null : matrices.read(factor.block(at, at, group, group));
            float[] error = new float[factor == null ? 0 : group * out];
            IntStream.range(0, Math.ceilDiv(out, GroupRounding.LANES))
                    .parallel()
                    .forEach(chunk -> {
                        int from = chunk * GroupRounding.LANES;
                        int rows = Math.min(GroupRounding.LANES, out - from);
                        GroupRounding rounding = new GroupRounding(group);
                        rounding.run(own, out, from, rows, clips, block);
                        for (int r = 0; r < rows; r++) {
                            int row = from + r;
                            scales[row * groups + first] = rounding.scale(r);
                            pack(rounding, r, nibbles, (row * regular + at) / 2, group);
                        }
                        if (block != null) {
                            rounding.errors(error, out, from, rows);
                        }
                    });
            int behind = at + group;
            if (factor != null && errors != null && behind < in) {
                matrices.write(errors.all(), error);
                matrices.multiply(
                        weights.block(behind, 0, in - behind, out),
                        1,
                        -1,
                        factor.block(at, behind, group, in - behind),
                        true,
                        errors.all());
            }
        }
        if (errors != null) {
            matrices.free(errors);
        }
        byte[] outlierCodes = new byte[out * outliers];
        float[] outlierScales = new float[out];
        if (outliers > 0) {
            float[] last = matrices.read(weights.block(regular, 0, outliers, out));
            outliers(last, out, outliers, outlierCodes, outlierScales);
        }
        return new LinearWeights.Int4(
                out, in, group, outliers, nibbles, scales, outlierCodes, outlierScales);
    }

    private static void pack(GroupRounding rounding, int row, byte[] nibbles, int to, int group) {
        for (int j = 0; j < group; j += 2) {
            int low = rounding.code(j, row);
            int high = rounding.code(j + 1, row);
            nibbles[to + j / 2] = (byte) (low & 15 | high << 4);
        }
    }

    /**
     * INT8, round to nearest.
     *
     * @param weights [outliers, out]
     */
    private static void outliers(
            float[] weights, int out, int outliers, byte[] codes, float[] scales) {
        for (int n = 0; n < out; n++) {
            float max = 0;
            for (int j = 0; j < outliers; j++) {
                max = Math.max(max, Math.abs(weights[j * out + n]));
            }
            float scale = max / 127f;
            scales[n] = scale;
            for (int j = 0; j < outliers && scale > 0; j++) {
                int code = (int) Math.rint(weights[j * out + n] / scale);
                codes[n * outliers + j] = (byte) Math.clamp(code, -127, 127);
            }
        }
    }
}
