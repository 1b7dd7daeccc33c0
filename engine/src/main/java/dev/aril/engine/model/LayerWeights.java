package dev.aril.engine.model;

import dev.aril.engine.kernels.LinearWeights;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One decoder layer as it is stored.
 *
 * @param attentionNorm [hidden]
 * @param mlpNorm [hidden]
 * @param orders null unless quantized
 * @param projections by {@link Projection#ordinal}
 */
public record LayerWeights(
        float[] attentionNorm,
        float[] mlpNorm,
        @Nullable ChannelOrders orders,
        List<LinearWeights> projections) {
    public LayerWeights {
        projections = List.copyOf(projections);
    }

    public LinearWeights get(Projection projection) {
        return projections.get(projection.ordinal());
    }

    /**
     * Which channel of a projection's input comes j-th.
     *
     * @param attention [hidden], of query, key and value
     * @param output [heads * headDim], of the output projection
     * @param mlp [hidden], of gate and up
     * @param down [intermediate], of down; gate's and up's output rows already follow it
     */
    public record ChannelOrders(int[] attention, int[] output, int[] mlp, int[] down) {}
}
