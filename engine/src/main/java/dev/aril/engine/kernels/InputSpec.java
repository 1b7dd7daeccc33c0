package dev.aril.engine.kernels;

import org.jspecify.annotations.Nullable;

/**
 * How a quantized layer's input becomes codes: channels are put in order, the last {@code outliers}
 * are INT8 with one scale a row, the ones before are cut into groups, each rotated by a normalized
 * Hadamard matrix (unless the recipe does without) and quantized with one scale a row and group.
 *
 * @param order [columns] channel {@code order[j]} comes j-th; null when the input already is in
 *     order
 * @param group channels in a group, a power of two where groups are rotated
 * @param outliers channels kept in INT8, a multiple of the vector's width; may be 0
 * @param bits of the groups' codes: 4 (-8 to 7, scale = clip · m / 7) or 8 (-127 to 127, scale =
 *     clip · m / 127), m the group's largest magnitude
 * @param clip the range covers this share of a group's largest magnitude
 * @param rotated whether groups are rotated
 */
public record InputSpec(
        int @Nullable [] order, int group, int outliers, int bits, float clip, boolean rotated) {
    /**
     * Added to and taken from a float below 2^22 it rounds to the nearest integer, ties to even.
     */
    static final float ROUND = 12582912f;

    /** Smallest magnitude a scale is made from, so that a row of zeros divides by something. */
    static final float TINY = 1e-5f;

    public int groups(int columns) {
        return (columns - outliers) / group;
    }

    /** The code that stands for the range's end. */
    int top() {
        return bits == 4 ? 7 : 127;
    }

    /** The lowest code: four bits have one more below zero. */
    int bottom() {
        return bits == 4 ? -8 : -127;
    }

    /**
     * The numbers that a projection reads of a row: its channels in order and groups rotated, not
     * yet quantized.
     *
     * @param plain the row begins at from
     * @param arranged written from 0 on, one float a column
     */
    public void arrange(float[] plain, int from, int columns, float[] arranged) {
        for (int j = 0; j < columns; j++) {
            arranged[j] = plain[from + (order == null ? j : order[j])];
        }
        if (rotated) {
            for (int g = 0; g < groups(columns); g++) {
                Lanes.hadamard(arranged, g * group, group);
            }
        }
    }

    /**
     * Quantizes what {@link #arrange} made and replaces it by what the codes stand for.
     *
     * @param arranged the row begins at 0
     */
    public void round(float[] arranged, int columns) {
        int groups = groups(columns);
        for (int g = 0; g <= groups; g++) {
            boolean outlier = g == groups;
            int from = g * group;
            int to = outlier ? columns : from + group;
            float max = Lanes.maxMagnitude(arranged, from, to, TINY);
            float scale = outlier ? max / 127f : max * clip / top();
            float inverse = 1 / scale;
            int low = outlier ? -127 : bottom();
            int high = outlier ? 127 : top();
            for (int j = from; j < to; j++) {
                float code = arranged[j] * inverse + ROUND - ROUND;
                arranged[j] = Math.clamp(code, low, high) * scale;
            }
        }
    }
}
