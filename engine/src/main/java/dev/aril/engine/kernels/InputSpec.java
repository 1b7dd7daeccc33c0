package dev.aril.engine.kernels;

import org.jspecify.annotations.Nullable;

/**
 * How a quantized layer's input becomes codes: channels are put in order, the last {@code outliers}
 * are INT8 with one scale a row, the ones before are cut into groups, each rotated by a normalized
 * Hadamard matrix (unless the recipe does without) and quantized with one scale a row and group.
 *
 * @param order [columns] channel {@code order[j]} comes j-th; null when the input already is in
 *     order
 * @param group channels in a group, a power of two
 * @param outliers channels kept in INT8, a multiple of 4
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
}
