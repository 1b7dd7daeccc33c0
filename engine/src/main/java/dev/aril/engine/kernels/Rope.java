package dev.aril.engine.kernels;

import java.util.function.IntFunction;

/**
 * Rotary position embedding (arXiv 2104.09864) in the half-split layout: channel i turns with
 * channel i + headDim/2.
 *
 * @param cos [positions, headDim / 2]
 * @param sin [positions, headDim / 2]
 */
public record Rope(int headDim, float[] cos, float[] sin) {
    /** Plain: channel i turns by theta^(-2i / headDim) a position. */
    public static Rope of(int positions, int headDim, double theta) {
        float[] frequencies = frequencies(headDim, theta);
        return of(positions, headDim, position -> frequencies);
    }

    /**
     * A table.
     *
     * @param frequencies radians a position that channels turn by, [headDim / 2], given the
     *     position
     */
    public static Rope of(int positions, int headDim, IntFunction<float[]> frequencies) {
        int half = headDim / 2;
        float[] cos = new float[positions * half];
        float[] sin = new float[positions * half];
        for (int p = 0; p < positions; p++) {
            float[] own = frequencies.apply(p);
            for (int i = 0; i < half; i++) {
                float angle = p * own[i];
                cos[p * half + i] = (float) Math.cos(angle);
                sin[p * half + i] = (float) Math.sin(angle);
            }
        }
        return new Rope(headDim, cos, sin);
    }

    /**
     * Radians a position, rounded to float before they are used, as the reference implementation
     * does.
     *
     * @return [headDim / 2]
     */
    public static float[] frequencies(int headDim, double theta) {
        float[] frequencies = new float[headDim / 2];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = (float) (1 / Math.pow(theta, 2.0 * i / headDim));
        }
        return frequencies;
    }

    /** Turns one head's channels x[at .. at + headDim). */
    void turn(float[] x, int at, int position) {
        int half = headDim / 2;
        int p = position * half;
        for (int i = 0; i < half; i++) {
            float a = x[at + i];
            float b = x[at + half + i];
            x[at + i] = a * cos[p + i] - b * sin[p + i];
            x[at + half + i] = b * cos[p + i] + a * sin[p + i];
        }
    }

    /**
     * Turns consecutive positions' keys of one head; those behind the table are left alone.
     *
     * @param x [headDim, tokens]
     */
    void turnRun(float[] x, int tokens, int firstPosition) {
        int half = headDim / 2;
        int known = Math.min(tokens, cos.length / half - firstPosition);
        for (int i = 0; i < half; i++) {
            for (int t = 0; t < known; t++) {
                int p = (firstPosition + t) * half + i;
                float a = x[i * tokens + t];
                float b = x[(half + i) * tokens + t];
                x[i * tokens + t] = a * cos[p] - b * sin[p];
                x[(half + i) * tokens + t] = b * cos[p] + a * sin[p];
            }
        }
    }
}
