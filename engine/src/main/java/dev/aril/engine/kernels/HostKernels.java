package dev.aril.engine.kernels;

import dev.aril.engine.TokenLogprobs;
import dev.aril.engine.kernels.HostMemory.HostActivation;
import dev.aril.engine.kernels.HostMemory.HostMatrix;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the implementations on the CPU do alike: rows lie on the heap, and a look-up is a copy. */
abstract sealed class HostKernels implements Kernels permits CpuKernels, ReferenceKernels {
    private record HostTable(int rows, int columns, short[] bits) implements Table {}

    private static final @Nullable TokenLogprobs[] NO_LOGPROBS = {};

    private @Nullable Sampler sampler;
    private int[] ids = {};

    /** Of the last mixture. */
    protected @Nullable Routing routing;

    private @Nullable TokenLogprobs[] logprobs = NO_LOGPROBS;

    @Override
    public final boolean queued() {
        return false;
    }

    @Override
    public final boolean sound() {
        return true;
    }

    @Override
    public final long freeBytes() {
        return Long.MAX_VALUE;
    }

    @Override
    public final Matrix matrix(int rows, int columns) {
        return new HostMatrix(rows, columns);
    }

    @Override
    public final Activation activation(int rows, int columns, @Nullable InputSpec spec) {
        return HostActivation.of(rows, columns, spec);
    }

    @Override
    public final Activation sharing(Activation memory, @Nullable InputSpec spec) {
        return HostMemory.host(memory).with(spec);
    }

    @Override
    public final Table loadTable(short[] bits, int rows, int columns) {
        return new HostTable(rows, columns, bits);
    }

    @Override
    public final void unload(Adapter adapter) {} // the heap's

    @Override
    public final void unload(Linear linear) {}

    @Override
    public final void unload(Experts experts) {}

    @Override
    public final Routing routing() {
        if (routing == null) {
            throw new IllegalStateException("no experts were computed");
        }
        return routing;
    }

    @Override
    public final float[] read(Matrix matrix, int rows) {
        return Arrays.copyOf(HostMemory.values(matrix), rows * matrix.columns());
    }

    @Override
    public final void write(Matrix matrix, float[] values) {
        System.arraycopy(values, 0, HostMemory.values(matrix), 0, values.length);
    }

    @Override
    public final float[] readPlain(Activation activation, int rows) {
        return Arrays.copyOf(HostMemory.host(activation).plain(), rows * activation.columns());
    }

    @Override
    public final void embed(Rows rows, Table table, Matrix hidden) {
        HostTable t = (HostTable) table;
        float[] out = HostMemory.values(hidden);
        for (int r = 0; r < rows.count(); r++) {
            int from = rows.tokens()[r] * t.columns();
            for (int c = 0; c < t.columns(); c++) {
                out[r * t.columns() + c] = Bf16Bits.toFloat(t.bits()[from + c]);
            }
        }
    }

    @Override
    public final Linear loadHead(LinearWeights.Bf16 weights, boolean narrow) {
        return load(weights);
    }

    @Override
    public final void step(Rows rows, int[] sampled, List<Draw> draws, Runnable operations) {
        operations.run();
    }

    @Override
    public final void sample(Matrix logits, List<Draw> draws) {
        if (sampler == null || sampler.vocabulary() != logits.columns()) {
            sampler = new Sampler(logits.columns());
        }
        ids = new int[draws.size()];
        logprobs = Draw.scored(draws) ? new TokenLogprobs[ids.length] : NO_LOGPROBS;
        float[] values = HostMemory.values(logits);
        for (int i = 0; i < ids.length; i++) {
            Draw draw = draws.get(i);
            int row = i * logits.columns();
            ids[i] = draw.given() >= 0 ? draw.given() : sampler.sample(values, row, draw);
            if (draw.scored() && ids[i] != DIVERGED) {
                logprobs[i] = TokenLogprobs.of(values, row, logits.columns(), ids[i], draw.top());
            }
        }
    }

    @Override
    public final @Nullable TokenLogprobs[] logprobs() {
        return logprobs;
    }

    @Override
    public final int[] sampled() {
        return ids;
    }
}
