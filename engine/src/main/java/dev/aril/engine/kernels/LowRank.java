package dev.aril.engine.kernels;

/**
 * One projection's low-rank update: y += b·(a·x). The scaling is folded into b.
 *
 * @param rank at least 1
 * @param a [rank, in]
 * @param b [out, rank]
 */
public record LowRank(int rank, float[] a, float[] b) {
    // indexes of a layer's projections, in the order they are computed
    public static final int Q = 0;
    public static final int K = 1;
    public static final int V = 2;
    public static final int O = 3;
    public static final int GATE = 4;
    public static final int UP = 5;
    public static final int DOWN = 6;

    /** Projections of a layer. */
    public static final int COUNT = 7;

    public int in() {
        return a.length / rank;
    }

    public int out() {
        return b.length / rank;
    }
}
