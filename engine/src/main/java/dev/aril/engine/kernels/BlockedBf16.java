package dev.aril.engine.kernels;

import dev.aril.engine.kernels.HostMemory.HostActivation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * bf16 weights, multiplied with plain floats in FP32.
 *
 * @param lanes [blocks, in, 2, 2·WIDTH] with the lane order of {@link BlockedInt4}: a pair of
 *     16-bit lanes, seen as one int, becomes two floats with a shift and a mask
 */
record BlockedBf16(int out, int in, short[] lanes) implements BlockedLinear {
    private static final int W = Lanes.WIDTH;

    static BlockedBf16 of(LinearWeights.Bf16 w) {
        int blocks = (w.out() + COLUMNS - 1) / COLUMNS;
        short[] lanes = new short[blocks * COLUMNS * w.in()];
        for (int n = 0; n < w.out(); n++) {
            int column = n % COLUMNS;
            int lane = column / (2 * W) * 2 * W + column % W * 2 + column / W % 2;
            int at = n / COLUMNS * w.in() * COLUMNS + lane;
            for (int k = 0; k < w.in(); k++) {
                lanes[at + k * COLUMNS] = w.bits()[n * w.in() + k];
            }
        }
        return new BlockedBf16(w.out(), w.in(), lanes);
    }

    @Override
    public void tile(HostActivation x, int firstRow, int rows, int block, float[] tile) {
        for (int half = 0; half < 2; half++) {
            if (rows == 1) {
                oneRow(x.plain(), firstRow * in, block, half, tile);
            } else {
                fourRows(x.plain(), firstRow * in, rows, block, half, tile);
            }
        }
    }

    private void oneRow(float[] x, int a, int block, int half, float[] tile) {
        FloatVector s0 = FloatVector.zero(Lanes.F);
        FloatVector s1 = s0;
        int w = block * in * COLUMNS + half * 2 * W;
        for (int k = 0; k < in; k++, w += COLUMNS) {
            IntVector pair = ShortVector.fromArray(Lanes.S, lanes, w).reinterpretAsInts();
            FloatVector c = Lanes.broadcast(x[a + k]);
            s0 = even(pair).fma(c, s0);
            s1 = odd(pair).fma(c, s1);
        }
        s0.intoArray(tile, half * 2 * W);
        s1.intoArray(tile, half * 2 * W + W);
    }

    private void fourRows(float[] x, int a, int rows, int block, int half, float[] tile) {
        int a1 = a + Math.min(1, rows - 1) * in;
        int a2 = a + Math.min(2, rows - 1) * in;
        int a3 = a + Math.min(3, rows - 1) * in;
        FloatVector s00 = FloatVector.zero(Lanes.F);
        FloatVector s01 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        int w = block * in * COLUMNS + half * 2 * W;
        for (int k = 0; k < in; k++, w += COLUMNS) {
            IntVector pair = ShortVector.fromArray(Lanes.S, lanes, w).reinterpretAsInts();
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
        int to = half * 2 * W;
        s00.intoArray(tile, to);
        s01.intoArray(tile, to + W);
        s10.intoArray(tile, to + COLUMNS);
        s11.intoArray(tile, to + COLUMNS + W);
        if (rows > 2) {
            s20.intoArray(tile, to + 2 * COLUMNS);
            s21.intoArray(tile, to + 2 * COLUMNS + W);
        }
        if (rows > 3) {
            s30.intoArray(tile, to + 3 * COLUMNS);
            s31.intoArray(tile, to + 3 * COLUMNS + W);
        }
    }

    private static FloatVector even(IntVector pair) {
        return pair.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    private static FloatVector odd(IntVector pair) {
        return pair.and(0xFFFF0000).reinterpretAsFloats();
    }
}
