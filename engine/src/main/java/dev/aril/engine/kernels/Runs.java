package dev.aril.engine.kernels;

import java.util.Arrays;

/**
 * In which order a projection's groups are summed (FORMAT.md, "What a step computes"): eight runs
 * of groups, so that a device may share a sum among its threads, each run in order, then the runs
 * of each half, then the halves. Fixed by the number of groups alone.
 */
final class Runs {
    /** Of a sum; the first half of them is added up by itself, and so is the second. */
    static final int COUNT = 8;

    private Runs() {}

    /**
     * The first group of a run, or with {@link #COUNT} one past the last.
     *
     * @param groups of a row, the outliers' included
     */
    static int begin(int groups, int run) {
        return groups * run / COUNT;
    }

    /**
     * Adds a run's part to its half and clears it.
     *
     * @param part [count]
     * @param halves [2 * count]
     */
    static void end(int run, float[] part, float[] halves, int count) {
        int to = run / (COUNT / 2) * count;
        if (run % (COUNT / 2) == 0) {
            System.arraycopy(part, 0, halves, to, count);
        } else {
            for (int i = 0; i < count; i++) {
                halves[to + i] += part[i];
            }
        }
        Arrays.fill(part, 0, count, 0f);
    }

    /** The sum: sum[i] = halves[i] + halves[count + i]. */
    static void join(float[] halves, float[] sum, int count) {
        for (int i = 0; i < count; i++) {
            sum[i] = halves[i] + halves[count + i];
        }
    }
}
