package dev.aril.engine.kernels;

/**
 * RMSNorm over each head of the query and the key, between projection and rotary embedding.
 *
 * @param query [headDim]
 * @param key [headDim]
 * @param epsilon added to the mean square
 */
public record HeadNorms(float[] query, float[] key, float epsilon) {}
