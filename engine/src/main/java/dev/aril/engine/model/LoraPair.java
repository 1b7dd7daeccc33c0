package dev.aril.engine.model;

/**
 * One module's low-rank update: y += scaling * B (A x).
 *
 * @param rank rows of A and columns of B
 * @param scaling alpha / rank, or alpha / sqrt(rank) with rsLoRA
 * @param a [rank, in], row-major; the record owns the array
 * @param b [out, rank], row-major; the record owns the array
 */
@SuppressWarnings("ArrayRecordComponent") // megabytes of weights, never compared
public record LoraPair(int rank, float scaling, float[] a, float[] b) {}
