package dev.aril.engine.measure;

import java.util.Arrays;

/** What of many times is told. */
final class Quantile {
    private Quantile() {}

    static double median(double[] values) {
        return of(values, 0.5);
    }

    /** The value below which a share of all lies, between neighbours in proportion. */
    static double of(double[] values, double share) {
        if (values.length == 0) {
            return Double.NaN;
        }
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        double at = share * (sorted.length - 1);
        int below = (int) at;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }
}
