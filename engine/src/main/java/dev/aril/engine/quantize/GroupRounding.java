package dev.aril.engine.quantize;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One group of columns of some rows becomes INT4 codes with one scale a row, column after column;
 * with GPTQ each column's error moves into the columns after it. Every clip is tried to the group's
 * end, and each row keeps the one with the least loss, which for GPTQ is what it adds to the error
 * of the layer's output. Lanes are rows, so that the virtual machine makes vectors of the loops.
 */
final class GroupRounding {
    /** Rows that are rounded together. */
    static final int LANES = 64;

    private static final float ROUND = 12582912f; // a float's last digits count ones there

    private final int group;
    private final float[] work;
    private final float[] error;
    private final float[] codes;
    private final float[] bestError;
    private final float[] bestCodes;
    private final float[] largest = new float[LANES];
    private final float[] scale = new float[LANES];
    private final float[] inverse = new float[LANES];
    private final float[] loss = new float[LANES];
    private final float[] bestLoss = new float[LANES];
    private final short[] bestScale = new short[LANES];

    GroupRounding(int group) {
        this.group = group;
        work = new float[group * LANES];
        error = new float[group * LANES];
        codes = new float[group * LANES];
        bestError = new float[group * LANES];
        bestCodes = new float[group * LANES];
    }

    /**
     * @param weights [group, out]
     * @param from the first of the rows
     * @param rows at most {@link #LANES}
     * @param clips shares of a row's largest magnitude
     * @param factor [group, group] the diagonal block of {@link TriangularFactor}; null without
     *     GPTQ
     */
    void run(
            float[] weights,
            int out,
            int from,
            int rows,
            float[] clips,
            float @Nullable [] factor) {
        Arrays.fill(largest, 0);
        for (int i = 0; i < group; i++) {
            for (int r = 0; r < rows; r++) {
                largest[r] = Math.max(largest[r], Math.abs(weights[i * out + from + r]));
            }
        }
        Arrays.fill(bestLoss, Float.POSITIVE_INFINITY);
        for (float clip : clips) {
            for (int i = 0; i < group; i++) {
                System.arraycopy(weights, i * out + from, work, i * LANES, rows);
            }
            for (int r = 0; r < LANES; r++) {
                scale[r] = Float.float16ToFloat(Float.floatToFloat16(largest[r] * clip / 7f));
                inverse[r] = scale[r] == 0 ? 0 : 1 / scale[r];
            }
            Arrays.fill(loss, 0);
            for (int i = 0; i < group; i++) {
                column(i, factor);
            }
            keepBetter();
        }
    }

    private void column(int i, float @Nullable [] factor) {
        int at = i * LANES;
        float ownInverse = factor == null ? 1 : 1 / factor[i * group + i];
        for (int r = 0; r < LANES; r++) {
            float x = work[at + r];
            float code = x * inverse[r] + ROUND - ROUND;
            code = Math.max(-7f, Math.min(7f, code));
            float e = (x - code * scale[r]) * ownInverse;
            codes[at + r] = code;
            error[at + r] = e;
            loss[r] += e * e;
        }
        if (factor == null) {
            return;
        }
        for (int j = i + 1; j < group; j++) {
            float u = factor[i * group + j];
            int to = j * LANES;
            for (int r = 0; r < LANES; r++) {
                work[to + r] -= error[at + r] * u;
            }
        }
    }

    private void keepBetter() {
        for (int r = 0; r < LANES; r++) {
            if (loss[r] < bestLoss[r]) {
                bestLoss[r] = loss[r];
                bestScale[r] = Float.floatToFloat16(scale[r]);
                for (int at = r; at < codes.length; at += LANES) {
                    bestCodes[at] = codes[at];
                    bestError[at] = error[at];
                }
            }
        }
    }

    /** Of the last run. */
    int code(int column, int row) {
        return (int) bestCodes[column * LANES + row];
    }

    /** Of the last run, in half precision. */
    short scale(int row) {
        return bestScale[row];
    }

    /** What the last run added to the error, row by row. */
    float loss(int row) {
        return bestLoss[row];
    }

    /**
     * The errors of the last run, divided by the factor's diagonal.
     *
     * @param to [group, out]
     */
    void errors(float[] to, int out, int from, int rows) {
        for (int i = 0; i < group; i++) {
            System.arraycopy(bestError, i * LANES, to, i * out + from, rows);
        }
    }
}
