package dev.aril.engine.quantize;

import dev.aril.engine.kernels.ExpertWeights;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.KvCache;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.kernels.Matrices;
import dev.aril.engine.model.DecoderLayer;
import dev.aril.engine.model.LayerWeights;
import dev.aril.engine.model.LayerWeights.ChannelOrders;
import dev.aril.engine.model.LayerWeights.Mixture;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Recipe;
import dev.aril.engine.model.WeightSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.DoubleConsumer;

/**
 * A checkpoint's weights by a quantized recipe, a layer at a time and in order. Each layer is run
 * over the calibration text twice: as the checkpoint has it, to see what its projections read, and
 * quantized, to make what the next layer is calibrated on (as Atom does, arXiv 2310.19102). So no
 * more than two layers are held, and what is calibrated is what is served.
 */
final class QuantizedWeights implements WeightSource {
    private final WeightSource checkpoint;
    private final Recipe recipe;
    private final Matrices matrices;
    private final Calibration calibration;
    private final LayerQuantizer quantizer;
    private final DecoderLayer.Buffers fullBuffers;
    private final DecoderLayer.Buffers buffers;
    private final KvCache fullCache;
    private final KvCache cache;
    private final DoubleConsumer progress;
    private int next;

    /**
     * @param windows the calibration text's ids
     * @param progress gets the share that is done
     */
    QuantizedWeights(
            WeightSource checkpoint,
            Recipe recipe,
            Rounding rounding,
            List<int[]> windows,
            Kernels kernels,
            Matrices matrices,
            DoubleConsumer progress) {
        this.checkpoint = checkpoint;
        this.recipe = recipe;
        this.matrices = matrices;
        this.progress = progress;
        this.calibration = new Calibration(kernels, checkpoint, windows);
        this.quantizer = new LayerQuantizer(checkpoint.config(), recipe, rounding, matrices);
        this.fullBuffers = calibration.buffers(checkpoint.recipe());
        this.buffers = calibration.buffers(recipe);
        this.fullCache = calibration.cache(checkpoint.recipe());
        this.cache = calibration.cache(recipe);
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
    public void embedding(Consumer<short[]> pieces) {
        checkpoint.embedding(pieces);
    }

    @Override
    public void head(Consumer<short[]> pieces) {
        checkpoint.head(pieces);
    }

    @Override
    public float[] finalNorm() {
        return checkpoint.finalNorm();
    }

    /**
     * @throws IllegalStateException if it is not the layer after the last one asked for
     */
    @Override
    public LayerWeights layer(int index) {
        if (index != next) {
            throw new IllegalStateException("layers are quantized in order: " + next + " is next");
        }
        next++;
        LayerWeights full = checkpoint.layer(index);
        LayerWeights quantized = quantize(full, index);
        if (next < config().layers()) {
            try (DecoderLayer layer = new DecoderLayer(quantized, index, buffers)) {
                calibration.run(layer, cache, null, true, done -> tell(index, 0.75, 1, done));
            }
        }
        progress.accept((double) next / config().layers());
        return quantized;
    }

    private void tell(int layer, double from, double to, double done) {
        progress.accept((layer + from + (to - from) * done) / config().layers());
    }

    private LayerWeights quantize(LayerWeights full, int index) {
        int together = expertsTogether();
        try (DecoderLayer layer = new DecoderLayer(full, index, fullBuffers)) {
            LayerWeights attention;
            try (LayerInputs inputs =
                    new LayerInputs(matrices, Calibration.CHUNK, true, e -> false)) {
                calibration.run(layer, fullCache, inputs, false, done -> tell(index, 0, 0.4, done));
                attention = quantizer.quantize(full, inputs);
            }
            Mixture mixture = full.mixture();
            ChannelOrders orders = attention.orders();
            if (mixture == null || orders == null) {
                return attention;
            }
            List<ExpertWeights> experts = new ArrayList<>();
            List<int[]> downOrders = new ArrayList<>();
            int count = mixture.experts().size();
            for (int first = 0; first < count; first += together) {
                int from = first;
                int to = Math.min(count, first + together);
                try (LayerInputs inputs =
                        new LayerInputs(
                                matrices,
                                Calibration.CHUNK * config().traits().expertsPerRow(),
                                false,
                                e -> e >= from && e < to)) {
                    calibration.run(layer, fullCache, inputs, false, done -> {});
                    for (int e = from; e < to; e++) {
                        LayerQuantizer.QuantizedExpert made =
                                quantizer.quantize(
                                        mixture.experts().get(e), e, orders.mlp(), inputs);
                        experts.add(made.weights());
                        downOrders.add(made.downOrder());
                    }
                }
                tell(index, 0.4, 0.75, (double) to / count);
            }
            return new LayerWeights(
                    attention.attentionNorm(),
                    attention.mlpNorm(),
                    orders,
                    attention.projections(),
                    attention.biases(),
                    attention.headNorms(),
                    new Mixture(mixture.router(), experts, downOrders));
        }
    }

    /** Experts whose inputs' moments an eighth of the heap holds; each pass sees so many. */
    private int expertsTogether() {
        long width = config().hidden();
        long inner = config().intermediate();
        long bytes = 4 * (width * width + inner * inner);
        return (int) Math.clamp(Runtime.getRuntime().maxMemory() / 8 / bytes, 1, 1024);
    }
}
