package dev.aril.engine.model;

import dev.aril.engine.kernels.Hadamard;
import dev.aril.engine.kernels.KvFormat;
import dev.aril.engine.kernels.LowRank;
import dev.aril.engine.model.LayerWeights.ChannelOrders;
import org.jspecify.annotations.Nullable;

/**
 * Applies to an adapter, once, what the base's import did to the channels the adapter touches: gate
 * and up write, and down reads, in the down projection's channel order; the value projection writes
 * rotated heads where the cache is rotated. The scaling goes into b.
 */
final class AdapterFolding {
    private final ModelConfig config;
    private final boolean rotatedValues;

    AdapterFolding(ModelConfig config, Recipe recipe) {
        this.config = config;
        this.rotatedValues = recipe.cache() == KvFormat.INT4_ROTATED;
    }

    LowRank fold(LoraPair pair, Projection projection, @Nullable ChannelOrders orders) {
        int rank = pair.rank();
        float[] a = pair.a();
        float[] b = pair.b().clone();
        for (int i = 0; i < b.length; i++) {
            b[i] *= pair.scaling();
        }
        if (orders != null && (projection == Projection.GATE || projection == Projection.UP)) {
            float[] ordered = new float[b.length];
            for (int n = 0; n < orders.down().length; n++) {
                System.arraycopy(b, orders.down()[n] * rank, ordered, n * rank, rank);
            }
            b = ordered;
        }
        if (orders != null && projection == Projection.DOWN) {
            int in = orders.down().length;
            float[] ordered = new float[a.length];
            for (int i = 0; i < rank; i++) {
                for (int k = 0; k < in; k++) {
                    ordered[i * in + k] = a[i * in + orders.down()[k]];
                }
            }
            a = ordered;
        }
        if (rotatedValues && projection == Projection.V) {
            Hadamard.rotateHeads(b, rank, config.headDim());
        }
        return new LowRank(rank, a, b);
    }
}
