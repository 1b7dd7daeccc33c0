package dev.aril.engine.quantize;

import dev.aril.engine.kernels.Hadamard;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.model.LayerWeights;
import dev.aril.engine.model.LayerWeights.ChannelOrders;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Projection;
import dev.aril.engine.model.Recipe;
import dev.aril.engine.model.WeightSource;
import java.util.ArrayList;
import java.util.List;

/**
 * A checkpoint's weights by the {@code w4a4} recipe, a layer at a time: value heads rotated,
 * channels in order, groups rotated and quantized.
 */
final class QuantizedWeights implements WeightSource {
    private final WeightSource checkpoint;
    private final ChannelEnergy energy;
    private final Recipe recipe;
    private final GroupQuantizer quantizer;

    QuantizedWeights(
            WeightSource checkpoint, ChannelEnergy energy, Recipe recipe, float weightClip) {
        this.checkpoint = checkpoint;
        this.energy = energy;
        this.recipe = recipe;
        this.quantizer = new GroupQuantizer(recipe.group(), recipe.outliers(), weightClip);
    }

    @Override
    public ModelConfig config() {
        return checkpoint.config();
    }

    @Override
    public Recipe recipe() {
        return recipe;
    }

    @Override
    public short[] embedding() {
        return checkpoint.embedding();
    }

    @Override
    public LinearWeights.Bf16 head() {
        return checkpoint.head();
    }

    @Override
    public float[] finalNorm() {
        return checkpoint.finalNorm();
    }

    @Override
    public LayerWeights layer(int index) {
        LayerWeights full = checkpoint.layer(index);
        ChannelOrders orders = energy.orders(index);
        List<LinearWeights> projections = new ArrayList<>();
        for (Projection p : Projection.values()) {
            LinearWeights.Bf16 w = (LinearWeights.Bf16) full.get(p);
            float[] values = new float[w.bits().length];
            for (int i = 0; i < values.length; i++) {
                values[i] = Float.intBitsToFloat(w.bits()[i] << 16);
            }
            if (p == Projection.V) {
                Hadamard.rotateHeads(values, w.in(), config().headDim());
            }
            int[] columns =
                    switch (p) {
                        case Q, K, V -> orders.attention();
                        case O -> orders.output();
                        case GATE, UP -> orders.mlp();
                        case DOWN -> orders.down();
                    };
            boolean ordersRows = p == Projection.GATE || p == Projection.UP;
            float[] ordered = new float[values.length];
            for (int n = 0; n < w.out(); n++) {
                int row = ordersRows ? orders.down()[n] : n;
                for (int j = 0; j < w.in(); j++) {
                    ordered[n * w.in() + j] = values[row * w.in() + columns[j]];
                }
            }
            projections.add(quantizer.quantize(ordered, w.out(), w.in()));
        }
        return new LayerWeights(full.attentionNorm(), full.mlpNorm(), orders, projections);
    }
}
