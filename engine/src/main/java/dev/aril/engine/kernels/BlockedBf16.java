package dev.aril.engine.kernels;

import dev.aril.engine.kernels.HostMemory.HostActivation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * bf16 weights, multiplied with plain floats in FP32.
 *
 * @param lanes [blocks, in, COLUMNS] with the lane order of {@link BlockedInt4}: a pair of 16-bit
 *     lanes, seen as one int, becomes two floats with a shift and a mask
 */
record BlockedBf16(int out, int in, short[] lanes) implements BlockedLinear {
    private static final int W = Lanes.WIDTH;

    static BlockedBf16 of(LinearWeights.Bf16 w) {
        int blocks = (w.out() + COLUMNS - 1) / COLUMNS;
        short[] lanes = new short[blocks * COLUMNS * w.in()];
        for (int n = 0; n < w.out(); n++) {
            int at = n / COLUMNS * w.in() * COLUMNS + BlockedInt4.lane(n % COLUMNS);
            for (int k = 0; k < w.in(); k++) {
                lanes[at + k * COLUMNS] = w.bits()[n * w.in() + k];
            }
        }
        return new BlockedBf16(w.out(), w.in(), lanes);
    }

    @Override
    public void tile(HostActivation x, int firstRow, int rows, int block, float[] tile) {
        for (int r = 0; r < rows; r += 4) {
            int n = Math.min(4, rows - r);
            int a = (firstRow + r) * in;
            sums(lanes, block * in * COLUMNS, in, x.plain(), a, n, tile, r * COLUMNS);
        }
    }

    /**
     * A block's sums [rows, COLUMNS].
     *
     * @param x [rows, length] from a on
     * @param rows 1 to 4
     */
    static void sums(
            short[] lanes, int w, int length, float[] x, int a, int rows, float[] sums, int to) {
        if (rows == 1) {
            oneRow(lanes, w, length, x, a, sums, to);
        } else {
            fourRows(lanes, w, length, x, a, rows, sums, to);
            fourRows(lanes, w + 2 * W, length, x, a, rows, sums, to + 2 * W);
        }
    }

    private static void oneRow(
            short[] lanes, int w, int length, float[] x, int a, float[] sums, int to) {
        FloatVector s0 = FloatVector.zero(Lanes.F);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        for (int k = 0, at = w; k < length; k++, at += COLUMNS) {
            FloatVector c = Lanes.broadcast(x[a + k]);
            IntVector low = ShortVector.fromArray(Lanes.S, lanes, at).reinterpretAsInts();
            s0 = even(low).fma(c, s0);
            s1 = odd(low).fma(c, s1);
            IntVector high = ShortVector.fromArray(Lanes.S, lanes, at + 2 * W).reinterpretAsInts();
            s2 = even(high).fma(c, s2);
            s3 = odd(high).fma(c, s3);
        }
        s0.intoArray(sums, to);
        s1.intoArray(sums, to + W);
        s2.intoArray(sums, to + 2 * W);
        s3.intoArray(sums, to + 3 * W);
    }

    /** Half a block's columns; missing rows repeat the last and are not stored. */
    private static void fourRows(
            short[] lanes, int w, int length, float[] x, int a, int rows, float[] sums, int to) {
        int a1 = a + Math.min(1, rows - 1) * length;
        int a2 = a + Math.min(2, rows - 1) * length;
        int a3 = a + Math.min(3, rows - 1) * length;
        FloatVector s00 = FloatVector.zero(Lanes.F);
        FloatVector s01 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        for (int k = 0, at = w; k < length; k++, at += COLUMNS) {
            IntVector pair = ShortVector.fromArray(Lanes.S, lanes, at).reinterpretAsInts();
            FloatVector w0 = even(pair);
            FloatVector w1 = odd(pair);
            FloatVector c0 = Lanes.broadcast(x[a + k]);
            s00 = w0.fma(c0, s00);
            s01 = w1.fma(c0, s01);
            FloatVector c1 = Lanes.broadcast(x[a1 + k]);
            s10 = w0.fma(c1, s10);
            s11 = w1.fma(c1, s11);
            FloatVector c2 = Lanes.broadcast(x[a2 + k]);
            s20 = w0.fma(c2, s20);
            s21 = w1.fma(c2, s21);
            FloatVector c3 = Lanes.broadcast(x[a3 + k]);
            s30 = w0.fma(c3, s30);
            s31 = w1.fma(c3, s31);
        }
        s00.intoArray(sums, to);
        s01.intoArray(sums, to + W);
        s10.intoArray(sums, to + COLUMNS);
        s11.intoArray(sums, to + COLUMNS + W);
        if (rows > 2) {
            s20.intoArray(sums, to + 2 * COLUMNS);
            s21.intoArray(sums, to + 2 * COLUMNS + W);
        }
        if (rows > 3) {
            s30.intoArray(sums, to + 3 * COLUMNS);
            s31.intoArray(sums, to + 3 * COLUMNS + W);
        }
    }

    private static FloatVector even(IntVector pair) {
        return pair.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    private static FloatVector odd(IntVector pair) {
        return pair.and(0xFFFF0000).reinterpretAsFloats();
    }
}
