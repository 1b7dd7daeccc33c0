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
     * @param window positions that a row sees, its own included
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
            int window,
            float[] queries,
            float[] out) {
        int from = first(positions[firstRow], window) / TOKENS;
        int used = positions[firstRow + rows - 1] / TOKENS + 1;
        int stride = (used - from) * TOKENS;
        if (weights.length < rows * group * stride) {
            weights = new float[ROWS * group * stride];
        }
        for (int b = from; b < used; b++) {
            cache.turnedKeys(layer, blocks[b], kvHead, b * TOKENS, widened);
            for (int r = 0; r < rows; r++) {
                if (sees(positions[firstRow + r], window, b)) {
                    for (int g = 0; g < group; g++) {
                        int q = ((firstRow + r) * heads + kvHead * group + g) * headDim;
                        score(queries, q, (r * group + g) * stride + (b - from) * TOKENS);
                    }
                }
            }
        }
        for (int r = 0; r < rows; r++) {
            for (int g = 0; g < group; g++) {
                // from the row's own first block, whatever the rows beside it see
                int p = positions[firstRow + r];
                int own = first(p, window) / TOKENS * TOKENS;
                int at = (r * group + g) * stride + own - from * TOKENS;
                softmax(at, first(p, window) - own, p + 1 - own);
                int to = ((firstRow + r) * heads + kvHead * group + g) * headDim;
                java.util.Arrays.fill(out, to, to + headDim, 0f);
            }
        }
        for (int b = from; b < used; b++) {
            cache.values(layer, blocks[b], kvHead, widened);
            for (int r = 0; r < rows; r++) {
                if (sees(positions[firstRow + r], window, b)) {
                    for (int g = 0; g < group; g++) {
                        int to = ((firstRow + r) * heads + kvHead * group + g) * headDim;
                        mix((r * group + g) * stride + (b - from) * TOKENS, out, to);
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

    /** The first position that a row sees. */
    private static int first(int position, int window) {
        return Math.max(0, position + 1 - window);
    }

    private static boolean sees(int position, int window, int block) {
        return position >= block * TOKENS && first(position, window) < (block + 1) * TOKENS;
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

    /**
     * Scores at + begin .. at + length become weights that sum to 1; the rest of their blocks
     * becomes 0.
     *
     * @param begin within the first block
     */
    private void softmax(int at, int begin, int length) {
        float max = Float.NEGATIVE_INFINITY;
        for (int p = at + begin; p < at + length; p++) {
            max = Math.max(max, weights[p]);
        }
        int end = Lanes.roundUp(length, TOKENS);
        FloatVector total = FloatVector.zero(Lanes.F);
        for (int p = 0; p < end; p += W) {
            FloatVector e = Lanes.exp(Lanes.load(weights, at + p).sub(max));
            if (p + W > length) {
                e = e.blend(0f, Lanes.F.indexInRange(p, length).not());
            }
            if (p < begin) {
                e = e.blend(0f, Lanes.F.indexInRange(p, begin));
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
