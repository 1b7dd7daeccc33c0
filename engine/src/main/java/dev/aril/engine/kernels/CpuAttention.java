package dev.aril.engine.kernels;

import jdk.incubator.vector.FloatVector;

/**
 * Attention of a few rows of one sequence to one key/value head, for all query heads that share it.
 * A block's keys and values are widened to floats once for all of them. Scores first, then softmax
 * over the whole row, then the mix: every sum runs over positions in order.
 */
final class CpuAttention {
    /** Rows that share a widened block. */
    static final int ROWS = 8;

    private static final int W = Lanes.WIDTH;
    private static final int TOKENS = Kernels.BLOCK_TOKENS;

    private final CpuKvCache cache;
    private final int heads;
    private final int group;
    private final int headDim;
    private final float[] widened;
    private float[] weights = new float[0];

    /**
     * @param heads query heads
     */
    CpuAttention(CpuKvCache cache, int heads) {
        this.cache = cache;
        this.heads = heads;
        this.group = heads / cache.shape.heads();
        this.headDim = cache.shape.headDim();
        this.widened = new float[headDim * TOKENS];
    }

    /**
     * @param rows at most {@link #ROWS}
     * @param queries [count, heads, headDim]
     * @param out [count, heads, headDim]
     */
    void run(
            int layer,
            int kvHead,
            int[] blocks,
            int firstRow,
            int rows,
            int[] positions,
            float[] queries,
            float[] out) {
        int last = positions[firstRow + rows - 1];
        int used = last / TOKENS + 1;
        int stride = used * TOKENS;
        if (weights.length < rows * group * stride) {
            weights = new float[ROWS * group * stride];
        }
        for (int b = 0; b < used; b++) {
            cache.turnedKeys(layer, blocks[b], kvHead, b * TOKENS, widened);
            for (int r = 0; r < rows; r++) {
                if (positions[firstRow + r] >= b * TOKENS) {
                    for (int g = 0; g < group; g++) {
                        int q = ((firstRow + r) * heads + kvHead * group + g) * headDim;
                        score(queries, q, (r * group + g) * stride + b * TOKENS);
                    }
                }
            }
        }
        for (int r = 0; r < rows; r++) {
            for (int g = 0; g < group; g++) {
                softmax((r * group + g) * stride, positions[firstRow + r] + 1);
                int to = ((firstRow + r) * heads + kvHead * group + g) * headDim;
                java.util.Arrays.fill(out, to, to + headDim, 0f);
            }
        }
        for (int b = 0; b < used; b++) {
            cache.values(layer, blocks[b], kvHead, widened);
            for (int r = 0; r < rows; r++) {
                if (positions[firstRow + r] >= b * TOKENS) {
                    for (int g = 0; g < group; g++) {
                        int to = ((firstRow + r) * heads + kvHead * group + g) * headDim;
                        mix((r * group + g) * stride + b * TOKENS, out, to);
                    }
                }
            }
        }
        if (cache.shape.rotated()) {
            for (int r = 0; r < rows; r++) {
                for (int g = 0; g < group; g++) {
                    int at = ((firstRow + r) * heads + kvHead * group + g) * headDim;
                    Lanes.hadamard(out, at, headDim);
                }
            }
        }
    }

    /** Scores of one query against a block's positions. */
    private void score(float[] q, int from, int to) {
        float scale = (float) (1 / Math.sqrt(headDim));
        for (int t = 0; t < TOKENS; t += W) {
            FloatVector s0 = FloatVector.zero(Lanes.F);
            FloatVector s1 = s0;
            FloatVector s2 = s0;
            FloatVector s3 = s0;
            for (int d = 0; d < headDim; d += 4) {
                int k = d * TOKENS + t;
                s0 = Lanes.load(widened, k).fma(Lanes.broadcast(q[from + d]), s0);
                s1 = Lanes.load(widened, k + TOKENS).fma(Lanes.broadcast(q[from + d + 1]), s1);
                s2 = Lanes.load(widened, k + 2 * TOKENS).fma(Lanes.broadcast(q[from + d + 2]), s2);
                s3 = Lanes.load(widened, k + 3 * TOKENS).fma(Lanes.broadcast(q[from + d + 3]), s3);
            }
            s0.add(s1).add(s2.add(s3)).mul(scale).intoArray(weights, to + t);
        }
    }

    /** Scores at .. at + length become weights that sum to 1; the block's rest becomes 0. */
    private void softmax(int at, int length) {
        float max = Float.NEGATIVE_INFINITY;
        for (int p = at; p < at + length; p++) {
            max = Math.max(max, weights[p]);
        }
        int end = Lanes.roundUp(length, TOKENS);
        FloatVector total = FloatVector.zero(Lanes.F);
        for (int p = 0; p < end; p += W) {
            FloatVector e = Lanes.exp(Lanes.load(weights, at + p).sub(max));
            if (p + W > length) {
                e = e.blend(0f, Lanes.F.indexInRange(p, length).not());
            }
            e.intoArray(weights, at + p);
            total = total.add(e);
        }
        float inverse = 1 / Lanes.sum(total);
        for (int p = 0; p < end; p += W) {
            Lanes.load(weights, at + p).mul(inverse).intoArray(weights, at + p);
        }
    }

    /** Adds a block's values by their weights. */
    private void mix(int weight, float[] out, int to) {
        int d = 0;
        for (; d + 4 * W <= headDim; d += 4 * W) {
            FloatVector s0 = Lanes.load(out, to + d);
            FloatVector s1 = Lanes.load(out, to + d + W);
            FloatVector s2 = Lanes.load(out, to + d + 2 * W);
            FloatVector s3 = Lanes.load(out, to + d + 3 * W);
            for (int t = 0; t < TOKENS; t++) {
                int v = t * headDim + d;
                FloatVector c = Lanes.broadcast(weights[weight + t]);
                s0 = Lanes.load(widened, v).fma(c, s0);
                s1 = Lanes.load(widened, v + W).fma(c, s1);
                s2 = Lanes.load(widened, v + 2 * W).fma(c, s2);
                s3 = Lanes.load(widened, v + 3 * W).fma(c, s3);
            }
            s0.intoArray(out, to + d);
            s1.intoArray(out, to + d + W);
            s2.intoArray(out, to + d + 2 * W);
            s3.intoArray(out, to + d + 3 * W);
        }
        for (; d < headDim; d += W) {
            FloatVector s = Lanes.load(out, to + d);
            for (int t = 0; t < TOKENS; t++) {
                s =
                        Lanes.load(widened, t * headDim + d)
                                .fma(Lanes.broadcast(weights[weight + t]), s);
            }
            s.intoArray(out, to + d);
        }
    }
}
