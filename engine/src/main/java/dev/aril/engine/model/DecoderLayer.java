package dev.aril.engine.model;

import dev.aril.engine.kernels.HeadNorms;
import dev.aril.engine.kernels.InputSpec;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Activation;
import dev.aril.engine.kernels.Kernels.Experts;
import dev.aril.engine.kernels.Kernels.KvCache;
import dev.aril.engine.kernels.Kernels.Linear;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.Kernels.Routing;
import dev.aril.engine.kernels.LowRank;
import dev.aril.engine.kernels.Rope;
import dev.aril.engine.kernels.Rows;
import dev.aril.engine.model.LayerWeights.ChannelOrders;
import dev.aril.engine.model.LayerWeights.Mixture;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One decoder layer on the device: attention and MLP (or a mixture of experts), each added to the
 * hidden states. It can be run alone, as an import does layer by layer.
 */
public final class DecoderLayer implements AutoCloseable {
    /** Sees the input of the layer's projections; calibration does. */
    public interface Observer {
        /**
         * @param reader the first projection that reads it: Q, O, GATE or DOWN; where the layer has
         *     experts, GATE is what the router and all of them read, and there is no DOWN
         * @param plain [rows, columns]
         */
        void input(Projection reader, float[] plain, int rows);

        /**
         * What one expert of a mixture reads, of the rows that chose it; not called for an expert
         * that none chose.
         *
         * @param reader GATE or DOWN
         * @param plain [rows, columns]
         */
        default void expertInput(int expert, Projection reader, float[] plain, int rows) {}
    }

    /**
     * The layers' inputs, shared by all layers: each is read before the next layer writes it. Also
     * the rotary table, which all layers share.
     */
    public static final class Buffers {
        private final Kernels kernels;
        private final ModelConfig config;
        private final Recipe recipe;
        private final Rope rope;
        private final Matrix queries;
        private final Activation hidden;
        private final Activation output;
        private final Activation down;

        /**
         * @param recipe of the layers' weights
         * @param rows that are computed at once, at most
         * @param positions that sequences have, at most
         */
        public Buffers(
                Kernels kernels, ModelConfig config, Recipe recipe, int rows, int positions) {
            this.kernels = kernels;
            this.config = config;
            this.recipe = recipe;
            rope = Ropes.of(config, positions);
            hidden = kernels.activation(rows, config.hidden(), spec(null, config.hidden()));
            output = kernels.activation(rows, config.queryWidth(), spec(null, config.queryWidth()));
            int inner = config.mixture() ? rows * config.traits().expertsPerRow() : rows;
            down = kernels.gated(inner, config.intermediate(), spec(null, config.intermediate()));
            queries = kernels.matrix(rows, config.queryWidth());
        }

        private @Nullable InputSpec spec(int @Nullable [] order, int columns) {
            return recipe.quantized() ? recipe.input(order, columns) : null;
        }

        private Activation hidden(int @Nullable [] order) {
            return kernels.sharing(hidden, spec(order, config.hidden()));
        }

        private Activation output(int @Nullable [] order) {
            return kernels.sharing(output, spec(order, config.queryWidth()));
        }
    }

    private final Buffers buffers;
    private final Kernels kernels;
    private final float epsilon;
    private final int window;
    private final float[] attentionNorm;
    private final float[] mlpNorm;
    private final @Nullable ChannelOrders orders;
    private final @Nullable HeadNorms headNorms;
    private final Map<Projection, Linear> projections = new EnumMap<>(Projection.class);
    private final @Nullable Experts experts;
    private final Activation attentionInput;
    private final Activation outputInput;
    private final Activation mlpInput;

    /**
     * Puts a layer on the device.
     *
     * @param index which layer of the model it is
     * @param weights by the recipe of the buffers
     */
    public DecoderLayer(LayerWeights weights, int index, Buffers buffers) {
        this.buffers = buffers;
        this.kernels = buffers.kernels;
        this.epsilon = buffers.config.normEpsilon();
        this.window = buffers.config.window(index);
        this.attentionNorm = weights.attentionNorm();
        this.mlpNorm = weights.mlpNorm();
        this.orders = weights.orders();
        this.headNorms = weights.headNorms();
        for (Projection p : buffers.config.projections()) {
            projections.put(p, kernels.load(weights.get(p), weights.bias(p)));
        }
        Mixture mixture = weights.mixture();
        this.experts =
                mixture == null
                        ? null
                        : kernels.loadExperts(
                                mixture.router(),
                                mixture.experts(),
                                buffers.config.traits().expertsPerRow());
        this.attentionInput = buffers.hidden(orders == null ? null : orders.attention());
        this.outputInput = buffers.output(orders == null ? null : orders.output());
        this.mlpInput = buffers.hidden(orders == null ? null : orders.mlp());
    }

    @Nullable ChannelOrders orders() {
        return orders;
    }

    /**
     * hidden [count, width] becomes the next layer's.
     *
     * @param layer which of the cache's and of the adapters' layers this is
     * @param observer null if nobody looks
     */
    public void run(
            Rows rows, Matrix hidden, KvCache cache, int layer, @Nullable Observer observer) {
        kernels.normalize(rows, hidden, attentionNorm, epsilon, attentionInput);
        show(observer, Projection.Q, attentionInput, rows);
        kernels.projectQkv(
                rows,
                attentionInput,
                get(Projection.Q),
                get(Projection.K),
                get(Projection.V),
                layer,
                headNorms,
                buffers.rope,
                cache,
                buffers.queries);
        kernels.attend(rows, buffers.queries, cache, layer, window, outputInput);
        show(observer, Projection.O, outputInput, rows);
        kernels.projectAdd(rows, outputInput, get(Projection.O), layer, LowRank.O, hidden);
        kernels.normalize(rows, hidden, mlpNorm, epsilon, mlpInput);
        show(observer, Projection.GATE, mlpInput, rows);
        if (experts != null) {
            kernels.experts(rows, mlpInput, experts, buffers.down, hidden);
            showExperts(observer, experts, rows);
            return;
        }
        kernels.gateUp(
                rows,
                mlpInput,
                get(Projection.GATE),
                get(Projection.UP),
                layer,
                // gate and up already write in down's order
                buffers.down);
        show(observer, Projection.DOWN, buffers.down, rows);
        kernels.projectAdd(rows, buffers.down, get(Projection.DOWN), layer, LowRank.DOWN, hidden);
    }

    private Linear get(Projection projection) {
        Linear linear = projections.get(projection);
        if (linear == null) {
            throw new IllegalStateException("the layer has no " + projection);
        }
        return linear;
    }

    private void show(@Nullable Observer observer, Projection reader, Activation input, Rows rows) {
        if (observer != null) {
            observer.input(reader, kernels.readPlain(input, rows.count()), rows.count());
        }
    }

    private void showExperts(@Nullable Observer observer, Experts mixture, Rows rows) {
        if (observer == null) {
            return;
        }
        Routing routing = kernels.routing();
        int hidden = mlpInput.columns();
        int inner = mixture.intermediate();
        float[] in = kernels.readPlain(mlpInput, rows.count());
        float[] downIn = kernels.readPlain(buffers.down, routing.rows().length);
        for (int e = 0; e < mixture.count(); e++) {
            int from = routing.starts()[e];
            int to = routing.starts()[e + 1];
            if (from == to) {
                continue;
            }
            float[] read = new float[(to - from) * hidden];
            for (int i = from; i < to; i++) {
                int row = routing.rows()[i];
                System.arraycopy(in, row * hidden, read, (i - from) * hidden, hidden);
            }
            observer.expertInput(e, Projection.GATE, read, to - from);
            float[] down = Arrays.copyOfRange(downIn, from * inner, to * inner);
            observer.expertInput(e, Projection.DOWN, down, to - from);
        }
    }

    /** Frees the weights; the buffers serve other layers. */
    @Override
    public void close() {
        projections.values().forEach(kernels::unload);
        if (experts != null) {
            kernels.unload(experts);
        }
    }
}
