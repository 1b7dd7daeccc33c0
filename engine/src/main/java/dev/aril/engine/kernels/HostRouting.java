package dev.aril.engine.kernels;

import dev.aril.engine.kernels.Kernels.Routing;
import java.util.Arrays;

/** Chooses experts from a router's logits. */
final class HostRouting {
    private HostRouting() {}

    /**
     * The softmax over all experts, cut to the largest and divided by their sum, is the softmax
     * over these alone.
     *
     * @param logits [rows, experts]
     * @param perRow experts each row takes
     */
    static Routing of(float[] logits, int rows, int experts, int perRow) {
        int[] chosen = new int[rows * perRow];
        float[] shares = new float[rows * perRow];
        int[] starts = new int[experts + 1];
        for (int r = 0; r < rows; r++) {
            choose(logits, r * experts, experts, chosen, shares, r * perRow, perRow);
            for (int i = 0; i < perRow; i++) {
                starts[chosen[r * perRow + i] + 1]++;
            }
        }
        for (int e = 0; e < experts; e++) {
            starts[e + 1] += starts[e];
        }
        int[] next = Arrays.copyOf(starts, experts);
        int[] rowOf = new int[rows * perRow];
        float[] weights = new float[rows * perRow];
        for (int i = 0; i < chosen.length; i++) {
            int pair = next[chosen[i]]++;
            rowOf[pair] = i / perRow;
            weights[pair] = shares[i];
        }
        return new Routing(starts, rowOf, weights);
    }

    private static void choose(
            float[] logits,
            int from,
            int experts,
            int[] chosen,
            float[] shares,
            int to,
            int perRow) {
        boolean[] taken = new boolean[experts];
        double total = 0;
        double[] powers = new double[perRow];
        for (int i = 0; i < perRow; i++) {
            int best = -1;
            for (int e = 0; e < experts; e++) {
                if (!taken[e] && (best < 0 || logits[from + e] > logits[from + best])) {
                    best = e;
                }
            }
            taken[best] = true;
            chosen[to + i] = best;
            // StrictMath: the same bits interpreted and compiled
            powers[i] = StrictMath.exp((double) logits[from + best] - logits[from + chosen[to]]);
            total += powers[i];
        }
        for (int i = 0; i < perRow; i++) {
            shares[to + i] = (float) (powers[i] / total);
        }
    }

    /**
     * Where each row's pairs are, in ascending order of the experts.
     *
     * @return [rows, perRow]
     */
    static int[] pairsOfRows(Routing routing, int rows, int perRow) {
        int[] pairs = new int[rows * perRow];
        int[] filled = new int[rows];
        for (int i = 0; i < routing.rows().length; i++) {
            int row = routing.rows()[i];
            pairs[row * perRow + filled[row]++] = i;
        }
        return pairs;
    }
}
