package dev.aril.engine.kernels;

import dev.aril.engine.TokenLogprobs;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The operations of a decoder step, one method each, fused as a device runs them. Every row's
 * result depends on that row's token, position, adapter and cache alone: reduction orders are fixed
 * by shapes, never by how many rows a step holds.
 *
 * <p>Handles ({@link Matrix}, {@link Linear}, …) belong to the instance that made them. Not thread
 * safe: one thread drives a device.
 */
public sealed interface Kernels extends AutoCloseable permits CudaKernels, HostKernels {
    /** Positions in a KV block. */
    int BLOCK_TOKENS = 16;

    /** Instead of an id: the row's logits hold no largest number, the model has diverged. */
    int DIVERGED = -1;

    /** The window of attention to everything before. */
    int NO_WINDOW = Integer.MAX_VALUE;

    /** Floats, row-major, on the device. */
    interface Matrix {
        int rows();

        int columns();
    }

    /**
     * The input of a linear layer: the plain floats, which LoRA reads, and for a quantized layer
     * their codes in channel order, which the base reads.
     */
    interface Activation {
        int rows();

        int columns();
    }

    /** A projection's weights. */
    interface Linear {
        int out();

        int in();
    }

    /** A bf16 matrix whose rows are looked up: the embedding. */
    interface Table {
        int rows();

        int columns();
    }

    /** One expert's projections. */
    record Expert<L extends Linear>(L gate, L up, L down) {}

    /** One layer's mixture: a router and the experts it chooses from. */
    interface Experts {
        List<? extends Expert<?>> all();

        /** Experts that compute each row. */
        int perRow();

        /** Experts there are. */
        default int count() {
            return all().size();
        }

        /** Width of an expert's inner activation. */
        default int intermediate() {
            return all().getFirst().down().in();
        }
    }

    /**
     * Which rows chose which expert. A pair is a row and an expert it chose; pairs are in order of
     * the experts, those of one expert in order of the rows.
     *
     * @param starts [experts + 1] expert e has pairs starts[e] .. starts[e + 1]
     * @param rows [pairs]
     * @param weights [pairs] of the expert's output in the row's sum
     */
    record Routing(int[] starts, int[] rows, float[] weights) {}

    /** An adapter's matrices in all layers. */
    interface Adapter {
        /** Device memory it takes. */
        long bytes();
    }

    /** Keys and values of all layers, in blocks of {@link #BLOCK_TOKENS} positions. */
    interface KvCache {
        long bytes();
    }

    /** What runs here, for people. */
    String device();

    /**
     * Whether operations are only queued, for a device that works beside the host; if not, they are
     * done when their methods return.
     */
    boolean queued();

    /**
     * Whether the device still computes, asked after an operation failed. Waits for what is queued.
     * If not, all that it holds is lost and only closing is left.
     */
    boolean sound();

    /** Bytes that one more thing on the device may take; the heap's are the virtual machine's. */
    long freeBytes();

    Matrix matrix(int rows, int columns);

    /**
     * @param spec null for a layer that reads plain floats
     */
    Activation activation(int rows, int columns, @Nullable InputSpec spec);

    /**
     * The activation that {@link #gateUp} writes.
     *
     * @param spec null for a layer that reads plain floats
     */
    default Activation gated(int rows, int columns, @Nullable InputSpec spec) {
        return activation(rows, columns, spec);
    }

    /** The same memory, written and read by another layer: only the channel order differs. */
    Activation sharing(Activation memory, @Nullable InputSpec spec);

    /** A projection without a bias. */
    default Linear load(LinearWeights weights) {
        return load(weights, null);
    }

    /**
     * A projection. Its output is the product, then the bias added in FP32, then the adapters'
     * parts.
     *
     * @param bias [out]; null for none
     */
    Linear load(LinearWeights weights, float @Nullable [] bias);

    /** Frees a projection that nothing uses any more. */
    void unload(Linear linear);

    /**
     * A layer's mixture of experts.
     *
     * @param router [experts, hidden]
     * @param experts all of one shape; gate's and up's rows are in the order that down reads
     * @param perRow experts that compute each row, at most all
     */
    Experts loadExperts(LinearWeights.Bf16 router, List<ExpertWeights> experts, int perRow);

    /** Frees a mixture that nothing uses any more. */
    void unload(Experts experts);

    /**
     * The output head, which {@link #logits} reads.
     *
     * @param narrow whether it may be held in INT8 with a scale a row
     */
    Linear loadHead(LinearWeights.Bf16 weights, boolean narrow);

    /**
     * @param bits [rows, columns] bf16
     */
    Table loadTable(short[] bits, int rows, int columns);

    /**
     * Safe beside a running step, on any thread.
     *
     * @param adapter [layers][{@link LowRank#COUNT}], null where a projection is not adapted
     */
    Adapter load(@Nullable LowRank[][] adapter);

    /** Frees an adapter that no running step uses. */
    void unload(Adapter adapter);

    KvCache allocate(KvShape shape);

    float[] read(Matrix matrix, int rows);

    void write(Matrix matrix, float[] values);

    /** The plain floats [rows, columns]. */
    float[] readPlain(Activation activation, int rows);

    /** Looks up each row's token: hidden [count, hidden]. */
    void embed(Rows rows, Table table, Matrix hidden);

    /**
     * RMSNorm (arXiv 1910.07467), then the codes: out = hidden / rms(hidden) * weight.
     *
     * @param weight [hidden]
     */
    void normalize(Rows rows, Matrix hidden, float[] weight, float epsilon, Activation out);

    /**
     * Query, key and value projections with their biases and adapters; RMSNorm of each query and
     * key head where the model has it; rotary embedding on query and key; for a quantized cache a
     * Hadamard of the head size on both; key and value go to the cache.
     *
     * @param norms null where the model has none
     * @param queries [count, heads * headDim]
     */
    void projectQkv(
            Rows rows,
            Activation in,
            Linear q,
            Linear k,
            Linear v,
            int layer,
            @Nullable HeadNorms norms,
            Rope rope,
            KvCache cache,
            Matrix queries);

    /**
     * Causal attention of each row over its sequence's cache up to its own position; undoes the
     * value rotation of a quantized cache.
     *
     * @param window how many positions a row sees, its own included: the row at position p those
     *     from max(0, p - window + 1) to p; {@link #NO_WINDOW} for all
     * @param out [count, heads * headDim]
     */
    void attend(Rows rows, Matrix queries, KvCache cache, int layer, int window, Activation out);

    /**
     * hidden += w·in + adapters.
     *
     * @param projection which of the adapters' matrices: {@link LowRank#O} or {@link LowRank#DOWN}
     */
    void projectAdd(Rows rows, Activation in, Linear w, int layer, int projection, Matrix hidden);

    /** out = silu(gate·in) * (up·in), adapters included, then the codes. */
    void gateUp(Rows rows, Activation in, Linear gate, Linear up, int layer, Activation out);

    /**
     * A mixture of experts in place of an MLP (Mixtral, arXiv 2401.04088). The router's logits come
     * from the plain floats; of their softmax over all experts the largest are kept (the lower
     * expert first among equals) and divided by their sum. hidden += the sum over the chosen
     * experts, in ascending order, of weight * down(silu(gate·in) * (up·in)).
     *
     * @param inner made by {@link #gated} for {@link Experts#perRow} times as many rows: afterwards
     *     it holds what the experts' down projections read, a row for each pair of {@link #routing}
     */
    void experts(Rows rows, Activation in, Experts experts, Activation inner, Matrix hidden);

    /** What the last {@link #experts} chose; waits for it. */
    Routing routing();

    /**
     * Final RMSNorm and output head for the rows asked for.
     *
     * @param rowIndexes which rows of hidden
     * @param logits [rowIndexes.length, vocabulary]
     */
    void logits(
            int[] rowIndexes,
            Matrix hidden,
            float[] weight,
            float epsilon,
            Linear head,
            Matrix logits);

    /**
     * Runs a step. A device may record the operations of a step that only decodes, and do the same
     * again for later ones without calling them: so they are the same for all steps, and depend on
     * these rows, sampled rows and draws alone, which they are called with.
     *
     * @param sampled as {@link #logits} takes them
     * @param draws as {@link #sample} takes them
     */
    void step(Rows rows, int[] sampled, List<Draw> draws, Runnable operations);

    /**
     * Draws each row's next id, see {@link Sampler}; {@link #sampled} has them.
     *
     * @param logits [draws, vocabulary]; may hold the penalized scores afterwards
     */
    void sample(Matrix logits, List<Draw> draws);

    /**
     * The ids of the last {@link #sample}, waiting until they are there.
     *
     * @return [draws] an id, or {@link #DIVERGED} where the logits have no highest
     */
    int[] sampled();

    /**
     * Of the last {@link #sampled}.
     *
     * @return empty if no draw wanted any; else [draws] those of the row's id, null where they are
     *     not wanted or the model has diverged
     */
    @Nullable TokenLogprobs[] logprobs();

    @Override
    void close();
}
