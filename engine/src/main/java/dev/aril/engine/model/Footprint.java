package dev.aril.engine.model;

import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.KvShape;

/**
 * What a model takes of a device's memory at least, asked before its weights are loaded.
 *
 * @param weights bytes
 * @param context bytes of one context's KV cache
 */
record Footprint(long weights, long context) {
    /**
     * @param block of all layers' KV cache
     */
    static Footprint of(ModelConfig config, Recipe recipe, KvShape block) {
        long layer = 0;
        for (Projection p : Projection.values()) {
            // each expert has the MLP's three
            int copies =
                    config.mixture() && Projection.MLP.contains(p) ? config.traits().experts() : 1;
            layer += copies * bytes(p.out(config), p.in(config), recipe);
        }
        // the head may be held in a byte a weight, the embedding is bf16
        long vocabulary = 3L * config.vocabulary() * config.hidden();
        return new Footprint(
                config.layers() * layer + vocabulary, (long) blocks(config) * block.blockBytes());
    }

    /** KV blocks of one context. */
    static int blocks(ModelConfig config) {
        return Math.ceilDiv(config.contextLength(), Kernels.BLOCK_TOKENS);
    }

    private static long bytes(long out, long in, Recipe recipe) {
        if (!recipe.quantized()) {
            return 2 * out * in;
        }
        long groups = (in - recipe.outliers()) / recipe.group((int) in);
        return out * (groups * recipe.group((int) in) / 2 + 2 * groups + recipe.outliers() + 4);
    }

    /**
     * @throws IllegalArgumentException saying how much is needed and how much there is
     */
    void check(long free) {
        if (weights + context > free) {
            throw new IllegalArgumentException(
                    "the model needs at least "
                            + (weights + context)
                            + " bytes of the device's memory, "
                            + weights
                            + " for its weights and "
                            + context
                            + " to keep one context; "
                            + free
                            + " are free");
        }
    }
}
