package dev.aril.engine.quantize;

import dev.aril.engine.kernels.Hadamard;
import dev.aril.engine.kernels.LinearWeights;

/**
 * Weights in channel order become INT4 groups and an INT8 outlier group, round to nearest. Each
 * row's groups are rotated by a Hadamard matrix first, as the activations are at run time; W·x =
 * (W·H)·(H·x).
 */
final class GroupQuantizer {
    private final int group;
    private final int outliers;
    private final float clip;

    /**
     * @param clip the INT4 range covers this share of a group's largest magnitude
     */
    GroupQuantizer(int group, int outliers, float clip) {
        this.group = group;
        this.outliers = outliers;
        this.clip = clip;
    }

    /**
     * @param weights [out, in] with columns in channel order; overwritten
     */
    LinearWeights.Int4 quantize(float[] weights, int out, int in) {
        int regular = in - outliers;
        int groups = regular / group;
        byte[] nibbles = new byte[out * regular / 2];
        short[] scales = new short[out * groups];
        byte[] outlierCodes = new byte[out * outliers];
        float[] outlierScales = new float[out];
        for (int n = 0; n < out; n++) {
            for (int g = 0; g < groups; g++) {
                int at = n * in + g * group;
                Hadamard.apply(weights, at, group);
                scales[n * groups + g] = group(weights, at, nibbles, (n * regular + g * group) / 2);
            }
            int at = n * in + regular;
            float scale = largest(weights, at, outliers) / 127f;
            outlierScales[n] = scale;
            for (int j = 0; j < outliers; j++) {
                outlierCodes[n * outliers + j] = (byte) code(weights[at + j], scale, -127, 127);
            }
        }
        return new LinearWeights.Int4(
                out, in, group, outliers, nibbles, scales, outlierCodes, outlierScales);
    }

    /** One group's nibbles; returns its scale in half precision, to which the codes are fitted. */
    private short group(float[] weights, int at, byte[] nibbles, int to) {
        short half = Float.floatToFloat16(largest(weights, at, group) * clip / 7f);
        float scale = Float.float16ToFloat(half);
        for (int j = 0; j < group; j += 2) {
            int low = code(weights[at + j], scale, -7, 7);
            int high = code(weights[at + j + 1], scale, -7, 7);
            nibbles[to + j / 2] = (byte) (low & 15 | high << 4);
        }
        return half;
    }

    private static float largest(float[] x, int at, int length) {
        float max = 0;
        for (int i = at; i < at + length; i++) {
            max = Math.max(max, Math.abs(x[i]));
        }
        return max;
    }

    /** A scale of zero (a group of zeros, or too small for half precision) makes zeros. */
    private static int code(float x, float scale, int low, int high) {
        return scale == 0 ? 0 : Math.clamp((int) Math.rint(x / scale), low, high);
    }
}
