package dev.aril.engine.model;

import dev.aril.engine.kernels.ExpertWeights;
import dev.aril.engine.kernels.HeadNorms;
import dev.aril.engine.kernels.LinearWeights;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One decoder layer as it is stored.
 *
 * @param attentionNorm [hidden]
 * @param mlpNorm [hidden]
 * @param orders null unless quantized
 * @param projections by {@link Projection#ordinal}: all seven, or with a mixture the attention's
 *     four
 * @param biases [out] of the projections that have one; the value's turned as its weights are
 * @param headNorms null where the model has none
 * @param mixture in place of gate, up and down; null where the layer has these
 */
public record LayerWeights(
        float[] attentionNorm,
        float[] mlpNorm,
        @Nullable ChannelOrders orders,
        List<LinearWeights> projections,
        Map<Projection, float[]> biases,
        @Nullable HeadNorms headNorms,
        @Nullable Mixture mixture) {
    public LayerWeights {
        projections = List.copyOf(projections);
        biases = Map.copyOf(biases);
    }

    /** A layer of plain Llama. */
    public LayerWeights(
            float[] attentionNorm,
            float[] mlpNorm,
            @Nullable ChannelOrders orders,
            List<LinearWeights> projections) {
        this(attentionNorm, mlpNorm, orders, projections, Map.of(), null, null);
    }

    public LinearWeights get(Projection projection) {
        return projections.get(projection.ordinal());
    }

    public float @Nullable [] bias(Projection projection) {
        return biases.get(projection);
    }

    /**
     * Which channel of a projection's input comes j-th.
     *
     * @param attention [hidden], of query, key and value
     * @param output [heads * headDim], of the output projection
     * @param mlp [hidden], of gate and up, of all experts alike
     * @param down [intermediate], of down; gate's and up's output rows already follow it. With a
     *     mixture each expert has its own, and this is empty
     */
    public record ChannelOrders(int[] attention, int[] output, int[] mlp, int[] down) {}

    /**
     * A mixture of experts.
     *
     * @param router [experts, hidden], columns in the input's own order whatever the recipe
     * @param downOrders of each expert, as {@link ChannelOrders#down}; empty unless quantized
     */
    public record Mixture(
            LinearWeights.Bf16 router, List<ExpertWeights> experts, List<int[]> downOrders) {
        public Mixture {
            experts = List.copyOf(experts);
            downOrders = List.copyOf(downOrders);
        }
    }
}
