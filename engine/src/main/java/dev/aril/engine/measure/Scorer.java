package dev.aril.engine.measure;

import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.kernels.Rows;
import dev.aril.engine.model.Forward;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Scores and continues token ids with a forward pass of its own: one sequence, no scheduler. */
public final class Scorer {
    /** Rows computed at once. */
    public static final int CHUNK = 256;

    private final Forward forward;
    private final int vocabulary;
    private final int[] blocks;

    /**
     * @param forward made for at least {@link #CHUNK} rows
     */
    public Scorer(Forward forward) {
        this.forward = forward;
        this.vocabulary = forward.config().vocabulary();
        this.blocks = new int[forward.kvBlocks()];
        Arrays.setAll(blocks, i -> i);
    }

    /** What begins a sequence; -1 if nothing does. */
    int bosId() {
        return forward.config().bosId();
    }

    int contextLength() {
        return forward.config().contextLength();
    }

    /** What is wanted of a row's logits. */
    public interface LogitsReader {
        /**
         * @param position of the row
         * @param logits [rows, vocabulary]; the row's begin at offset
         */
        void read(int position, float[] logits, int offset);
    }

    /** Computes positions from .. ids.length - 1, whose predecessors are in the cache. */
    public void run(int[] ids, int from, @Nullable Adapter adapter, LogitsReader reader) {
        for (int at = from; at < ids.length; at += CHUNK) {
            int count = Math.min(CHUNK, ids.length - at);
            int first = at;
            int[] positions = new int[count];
            Arrays.setAll(positions, i -> first + i);
            int[] sampled = new int[count];
            Arrays.setAll(sampled, i -> i);
            Rows.Span[] spans = {new Rows.Span(0, count, blocks)};
            Rows.Segment[] segments =
                    adapter == null
                            ? new Rows.Segment[0]
                            : new Rows.Segment[] {new Rows.Segment(0, count, adapter)};
            float[] logits =
                    forward.run(
                            new Rows(
                                    Arrays.copyOfRange(ids, at, at + count),
                                    positions,
                                    spans,
                                    segments),
                            sampled);
            for (int i = 0; i < count; i++) {
                reader.read(at + i, logits, i * vocabulary);
            }
        }
    }

    /** The natural logarithm of the softmax of one row of logits. */
    public double[] logProbabilities(float[] logits, int offset) {
        double[] out = new double[vocabulary];
        double norm = logSum(logits, offset);
        for (int i = 0; i < vocabulary; i++) {
            out[i] = logits[offset + i] - norm;
        }
        return out;
    }

    /** The log-probability of each id from the second on, given those before it. */
    public double[] score(int[] ids, @Nullable Adapter adapter) {
        double[] out = new double[ids.length - 1];
        run(
                ids,
                0,
                adapter,
                (position, logits, offset) -> {
                    if (position + 1 < ids.length) {
                        out[position] = logits[offset + ids[position + 1]] - logSum(logits, offset);
                    }
                });
        return out;
    }

    /** log Σ exp of a row. */
    private double logSum(float[] logits, int offset) {
        double max = Double.NEGATIVE_INFINITY;
        for (int i = offset; i < offset + vocabulary; i++) {
            max = Math.max(max, logits[i]);
        }
        double sum = 0;
        for (int i = offset; i < offset + vocabulary; i++) {
            sum += Math.exp(logits[i] - max);
        }
        return max + Math.log(sum);
    }
}
