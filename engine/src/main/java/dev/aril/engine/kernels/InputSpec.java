package dev.aril.engine.kernels;

import org.jspecify.annotations.Nullable;

/**
 * How a quantized layer's input becomes codes: channels are put in order, the last {@code outliers}
 * are INT8 with one scale a row, the ones before are cut into groups, each rotated by a normalized
 * Hadamard matrix and quantized to INT4 with one scale a row and group.
 *
 * @param order [columns] channel {@code order[j]} comes j-th; null when the input already is in
 *     order
 * @param group channels in a group, a power of two
 * @param outliers channels kept in INT8, a multiple of 4
 * @param clip the INT4 range covers this share of a group's largest magnitude
 */
public record InputSpec(int @Nullable [] order, int group, int outliers, float clip) {
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
