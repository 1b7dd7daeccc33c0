package dev.aril.engine.model;

import dev.aril.engine.kernels.InputSpec;
import dev.aril.engine.kernels.KvFormat;
import org.jspecify.annotations.Nullable;

/**
 * How a model's numbers are held.
 *
 * @param name as users write it
 * @param quantized INT4 weights and activations with INT8 outlier channels, and an INT4 KV cache;
 *     bf16 weights, FP32 activations and an unquantized cache otherwise
 * @param group channels that share a scale; 0 for all that are no outliers
 * @param outliers channels in INT8
 * @param activationBits of the regular groups' activations: 4 or 8
 * @param activationClip share of an activation group's largest magnitude that its range covers
 * @param rotated a Hadamard rotation inside each regular group
 * @param cache how keys and values are held
 */
public record Recipe(
        String name,
        boolean quantized,
        int group,
        int outliers,
        int activationBits,
        float activationClip,
        boolean rotated,
        KvFormat cache) {
    /** The default: Atom (arXiv 2310.19102) with a Hadamard rotation inside each INT4 group. */
    public static final Recipe W4A4 =
            new Recipe("w4a4", true, 128, 128, 4, 0.95f, true, KvFormat.INT4_ROTATED);

    /** As {@link #W4A4} with activations in 8 bits, which hardly lose any. */
    public static final Recipe W4A8 =
            new Recipe("w4a8", true, 128, 128, 8, 1, true, KvFormat.INT4_ROTATED);

    /** The paper's, without rotations: for comparison, on the CPU. */
    public static final Recipe ATOM =
            new Recipe("atom", true, 128, 128, 4, 0.9f, false, KvFormat.INT4_BEFORE_ROPE);

    /** The control. */
    public static final Recipe BF16 = new Recipe("bf16", false, 0, 0, 32, 1, false, KvFormat.FLOAT);

    /**
     * @throws IllegalArgumentException naming the recipes there are
     */
    public static Recipe named(String name) {
        return switch (name) {
            case "w4a4" -> W4A4;
            case "w4a8" -> W4A8;
            case "atom" -> ATOM;
            case "bf16" -> BF16;
            default ->
                    throw new IllegalArgumentException(
                            "recipe must be w4a4, w4a8, atom or bf16, not \"" + name + "\"");
        };
    }

    /** Channels that share a scale, of an input of so many. */
    public int group(int columns) {
        return group == 0 ? columns - outliers : group;
    }

    /**
     * How a layer's input becomes codes; only of a quantized recipe.
     *
     * @param order see {@link InputSpec#order}
     */
    public InputSpec input(int @Nullable [] order, int columns) {
        return new InputSpec(
                order, group(columns), outliers, activationBits, activationClip, rotated);
    }
}
