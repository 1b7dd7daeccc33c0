package dev.aril.engine.kernels;

/** A KV cache. INT4 has a scale and a zero point in half precision for each token and head. */
public record KvShape(int layers, int blocks, int heads, int headDim, KvFormat format) {
    /** INT4, and not floats. */
    public boolean quantized() {
        return format != KvFormat.FLOAT;
    }

    /** Whether queries, keys and values are in the cache's rotated basis. */
    public boolean rotated() {
        return format == KvFormat.INT4_ROTATED;
    }

    /** As this, with another number of blocks. */
    public KvShape withBlocks(int count) {
        return new KvShape(layers, count, heads, headDim, format);
    }

    /** Bytes of one block over all layers. */
    public long blockBytes() {
        long values = (long) layers * heads * Kernels.BLOCK_TOKENS;
        // key and value; nibbles, scale, zero
        return quantized() ? values * 2 * (headDim / 2 + 2 + 2) : values * 2 * headDim * 4;
    }
}
