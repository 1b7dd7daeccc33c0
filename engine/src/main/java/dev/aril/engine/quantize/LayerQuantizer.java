package dev.aril.engine.quantize;

import dev.aril.engine.kernels.Bf16Bits;
import dev.aril.engine.kernels.ExpertWeights;
import dev.aril.engine.kernels.Hadamard;
import dev.aril.engine.kernels.InputSpec;
import dev.aril.engine.kernels.KvFormat;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.kernels.Matrices;
import dev.aril.engine.kernels.Matrices.Buffer;
import dev.aril.engine.model.LayerWeights;
import dev.aril.engine.model.LayerWeights.ChannelOrders;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Projection;
import dev.aril.engine.model.Recipe;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * One layer's weights by a quantized recipe: value heads rotated, channels in order, groups rotated
 * and rounded.
 */
final class LayerQuantizer {
    private final ModelConfig config;
    private final Recipe recipe;
    private final Rounding rounding;
    private final Matrices matrices;

    LayerQuantizer(ModelConfig config, Recipe recipe, Rounding rounding, Matrices matrices) {
        this.config = config;
        this.recipe = recipe;
        this.rounding = rounding;
        this.matrices = matrices;
    }

    /** The attention's part, and for a layer without experts the MLP's. */
    LayerWeights quantize(LayerWeights full, LayerInputs inputs) {
        int[] attention = order(inputs.of(Projection.Q));
        int[] output = order(inputs.of(Projection.O));
        int[] mlp = order(inputs.of(Projection.GATE));
        int[] down = config.mixture() ? new int[0] : order(inputs.of(Projection.DOWN));
        Map<Projection, LinearWeights> made = new EnumMap<>(Projection.class);
        quantize(
                full,
                List.of(Projection.Q, Projection.K, Projection.V),
                inputs.of(Projection.Q),
                attention,
                null,
                made);
        quantize(full, List.of(Projection.O), inputs.of(Projection.O), output, null, made);
        if (!config.mixture()) {
            quantize(
                    full,
                    List.of(Projection.GATE, Projection.UP),
                    inputs.of(Projection.GATE),
                    mlp,
                    down,
                    made);
            quantize(full, List.of(Projection.DOWN), inputs.of(Projection.DOWN), down, null, made);
        }
        Map<Projection, float[]> biases = new EnumMap<>(Projection.class);
        for (Projection p : config.projections()) {
            float[] bias = full.bias(p);
            if (bias != null) {
                biases.put(p, p == Projection.V ? turned(bias.clone(), 1) : bias);
            }
        }
        return new LayerWeights(
                full.attentionNorm(),
                full.mlpNorm(),
                new ChannelOrders(attention, output, mlp, down),
                List.copyOf(made.values()), // in the order of the projections
                biases,
                full.headNorms(),
                full.mixture());
    }

    /** An expert, and the order of its down projection's input. */
    record QuantizedExpert(ExpertWeights weights, int[] downOrder) {}

    QuantizedExpert quantize(ExpertWeights full, int expert, int[] mlpOrder, LayerInputs inputs) {
        SecondMoment in = inputs.of(expert, Projection.GATE, config.hidden());
        SecondMoment inner = inputs.of(expert, Projection.DOWN, config.intermediate());
        int[] down = order(inner);
        List<LinearWeights> pair =
                quantize(List.of(bf16(full.gate()), bf16(full.up())), in, mlpOrder, down);
        LinearWeights last = quantize(List.of(bf16(full.down())), inner, down, null).getFirst();
        return new QuantizedExpert(new ExpertWeights(pair.get(0), pair.get(1), last), down);
    }

    /** Without outliers there is no order to keep. */
    private int[] order(SecondMoment moment) {
        return recipe.outliers() == 0
                ? IntStream.range(0, moment.columns()).toArray()
                : moment.order();
    }

    private static LinearWeights.Bf16 bf16(LinearWeights weights) {
        return (LinearWeights.Bf16) weights;
    }

    private float[] turned(float[] values, int columns) {
        if (recipe.cache() == KvFormat.INT4_ROTATED) {
            Hadamard.rotateHeads(values, columns, config.headDim());
        }
        return values;
    }

    private void quantize(
            LayerWeights full,
            List<Projection> readers,
            SecondMoment input,
            int[] order,
            int @Nullable [] rowOrder,
            Map<Projection, LinearWeights> made) {
        List<LinearWeights.Bf16> weights = new ArrayList<>();
        for (Projection p : readers) {
            weights.add(bf16(full.get(p)));
        }
        List<LinearWeights> quantized =
                quantize(weights, input, order, rowOrder, readers.indexOf(Projection.V));
        for (int i = 0; i < readers.size(); i++) {
            made.put(readers.get(i), quantized.get(i));
        }
    }

    private List<LinearWeights> quantize(
            List<LinearWeights.Bf16> weights,
            SecondMoment input,
            int[] order,
            int @Nullable [] rowOrder) {
        return quantize(weights, input, order, rowOrder, -1);
    }

    /**
     * Projections that read the same input.
     *
     * @param rowOrder which of the rows comes n-th; null for their own order
     * @param turned index of the one whose rows are rotated head by head
     */
    private List<LinearWeights> quantize(
            List<LinearWeights.Bf16> weights,
            SecondMoment input,
            int[] order,
            int @Nullable [] rowOrder,
            int turned) {
        InputSpec spec = recipe.input(order, input.columns());
        List<Buffer> arranged = new ArrayList<>();
        for (int i = 0; i < weights.size(); i++) {
            arranged.add(arranged(weights.get(i), spec, rowOrder, i == turned));
        }
        Buffer factor = null;
        if (rounding.gptq()) {
            float[] noise = new InputRounding(input, spec).noise(spec);
            factor = input.hessian(spec, noise);
            TriangularFactor.invert(matrices, factor);
            if (rounding.fitted()) {
                for (Buffer w : arranged) {
                    fit(w, factor, noise);
                }
            }
        }
        WeightQuantizer quantizer = new WeightQuantizer(matrices, rounding.clips());
        List<LinearWeights> quantized = new ArrayList<>();
        for (Buffer w : arranged) {
            quantized.add(quantizer.quantize(w, spec.group(), spec.outliers(), factor));
            matrices.free(w);
        }
        if (factor != null) {
            matrices.free(factor);
        }
        return quantized;
    }

    /**
     * Weights for an input with noise: with H the input's second moment and D its noise's, what is
     * nearest to W x on average is W H (H + D)⁻¹ (x + e), so that W loses W D (H + D)⁻¹.
     *
     * @param weights [in, out], changed
     * @param factor of H + D
     */
    private void fit(Buffer weights, Buffer factor, float[] noise) {
        int in = weights.rows();
        int out = weights.columns();
        float[] values = matrices.read(weights.all());
        IntStream.range(0, in)
                .parallel()
                .forEach(i -> {
                    for (int n = i * out; n < (i + 1) * out; n++) {
                        values[n] *= noise[i];
                    }
                });
        Buffer first = matrices.allocate(in, out);
        Buffer second = matrices.allocate(in, out);
        matrices.write(first.all(), values);
        matrices.multiply(second.all(), 0, 1, factor.all(), false, first.all());
        matrices.multiply(weights.all(), 1, -1, factor.all(), true, second.all());
        matrices.free(first);
        matrices.free(second);
    }

    /** [in, out], inputs as they are read. */
    private Buffer arranged(
            LinearWeights.Bf16 w, InputSpec spec, int @Nullable [] rowOrder, boolean turned) {
        int in = w.in();
        int out = w.out();
        float[] plain = new float[w.bits().length];
        for (int i = 0; i < plain.length; i++) {
            plain[i] = Bf16Bits.toFloat(w.bits()[i]);
        }
        if (turned) {
            turned(plain, in);
        }
        float[] arranged = new float[plain.length];
        IntStream.range(0, out)
                .parallel()
                .forEach(n -> {
                    float[] row = new float[in];
                    spec.arrange(plain, (rowOrder == null ? n : rowOrder[n]) * in, in, row);
                    for (int j = 0; j < in; j++) {
                        arranged[j * out + n] = row[j];
                    }
                });
        Buffer buffer = matrices.allocate(in, out);
        matrices.write(buffer.all(), arranged);
        return buffer;
    }
}
