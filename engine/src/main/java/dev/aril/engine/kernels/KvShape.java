package dev.aril.engine.kernels;

/**
 * A KV cache.
 *
 * @param quantized INT4 per token and head with a scale and a zero point in half precision; floats
 *     otherwise
 */
public record KvShape(int layers, int blocks, int heads, int headDim, boolean quantized) {
    /** As this, with another number of blocks. */
    public KvShape withBlocks(int count) {
        return new KvShape(layers, count, heads, headDim, quantized);
    }

    /** Bytes of one block over all layers. */
    public long blockBytes() {
        long values = (long) layers * heads * Kernels.BLOCK_TOKENS;
        // key and value; nibbles, scale, zero
        return quantized ? values * 2 * (headDim / 2 + 2 + 2) : values * 2 * headDim * 4;
    }
}
