package dev.aril.engine.kernels;

import dev.aril.engine.kernels.HostMemory.HostActivation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * INT4 weights for vectors of 16-bit lanes. A group's sum of 128 products of 4-bit values is at
 * most 8192, so multiply and add stay in 16 bits; it is exact, and is scaled in FP32 once a group.
 * The outlier group's products are summed in FP32, exactly too: 128 · 127² is below 2^24.
 *
 * @param lanes [blocks, groups, group / 4, 2, 2·WIDTH]: a 16-bit lane holds four consecutive inputs
 *     of one output, the first lowest. Even lanes of the pair's vector v are outputs v·2·WIDTH + 0
 *     .. WIDTH - 1, odd lanes the WIDTH outputs after them: so 16-bit sums widen with shifts alone.
 * @param scales [blocks, groups, COLUMNS]
 * @param outlierCodes [blocks, outliers, COLUMNS], padded for whole-vector loads
 * @param outlierScales [blocks, COLUMNS]
 */
record BlockedInt4(
        int out,
        int in,
        int group,
        int outliers,
        short[] lanes,
        float[] scales,
        byte[] outlierCodes,
        float[] outlierScales)
        implements BlockedLinear {
    private static final int W = Lanes.WIDTH;

    static BlockedInt4 of(LinearWeights.Int4 w) {
        // 16-bit sums hold 256 products of -8·-8 and their like
        if (w.group() > 256 || w.group() % 4 != 0) {
            throw new IllegalArgumentException(
                    "group size " + w.group() + " must be a multiple of 4 and at most 256");
        }
        int blocks = (w.out() + COLUMNS - 1) / COLUMNS;
        int groups = w.groups();
        short[] lanes = new short[blocks * COLUMNS * (w.in() - w.outliers()) / 4];
        float[] scales = new float[blocks * groups * COLUMNS];
        byte[] outlierCodes = new byte[blocks * w.outliers() * COLUMNS + 64];
        float[] outlierScales = new float[blocks * COLUMNS];
        for (int n = 0; n < w.out(); n++) {
            int block = n / COLUMNS;
            int column = n % COLUMNS;
            int vector = column / (2 * W);
            int lane = column % W * 2 + column / W % 2;
            for (int g = 0; g < groups; g++) {
                scales[(block * groups + g) * COLUMNS + column] =
                        Float.float16ToFloat(w.scales()[n * groups + g]);
                for (int step = 0; step < w.group() / 4; step++) {
                    int packed = 0;
                    for (int j = 0; j < 4; j++) {
                        packed |= (w.code(n, g * w.group() + 4 * step + j) & 15) << 4 * j;
                    }
                    int at = ((block * groups + g) * (w.group() / 4) + step) * 2 + vector;
                    lanes[at * 2 * W + lane] = (short) packed;
                }
            }
            for (int j = 0; j < w.outliers(); j++) {
                outlierCodes[(block * w.outliers() + j) * COLUMNS + column] =
                        w.outlierCodes()[n * w.outliers() + j];
            }
            outlierScales[block * COLUMNS + column] = w.outlierScales()[n];
        }
        return new BlockedInt4(
                w.out(),
                w.in(),
                w.group(),
                w.outliers(),
                lanes,
                scales,
                outlierCodes,
                outlierScales);
    }

    @Override
    public void tile(HostActivation x, int firstRow, int rows, int block, float[] tile) {
        java.util.Arrays.fill(tile, 0, rows * COLUMNS, 0f);
        int groups = (in - outliers) / group;
        if (rows >= 3) {
            // a missing fourth row repeats the third; its sums are not stored
            int last = Math.min(3, rows - 1);
            for (int g = 0; g < groups; g++) {
                fourRows(x, firstRow, last, rows, block, g, groups, tile);
            }
        } else {
            for (int r = 0; r < rows; r++) {
                for (int g = 0; g < groups; g++) {
                    oneRow(x, firstRow + r, block, g, groups, tile, r * COLUMNS);
                }
            }
        }
        outlierGroup(x, firstRow, rows, block, groups, tile);
    }

    private void oneRow(
            HostActivation x, int row, int block, int g, int groups, float[] tile, int to) {
        short[] codes = x.codes();
        int a = row * in + g * group;
        int w = (block * groups + g) * (group / 4) * 4 * W;
        ShortVector sum0 = ShortVector.zero(Lanes.S);
        ShortVector sum1 = ShortVector.zero(Lanes.S);
        for (int step = 0; step < group; step += 4, w += 4 * W) {
            ShortVector p0 = ShortVector.fromArray(Lanes.S, lanes, w);
            ShortVector p1 = ShortVector.fromArray(Lanes.S, lanes, w + 2 * W);
            short c0 = codes[a + step];
            sum0 = sum0.add(nibble(p0, 12).mul(c0));
            sum1 = sum1.add(nibble(p1, 12).mul(c0));
            short c1 = codes[a + step + 1];
            sum0 = sum0.add(nibble(p0, 8).mul(c1));
            sum1 = sum1.add(nibble(p1, 8).mul(c1));
            short c2 = codes[a + step + 2];
            sum0 = sum0.add(nibble(p0, 4).mul(c2));
            sum1 = sum1.add(nibble(p1, 4).mul(c2));
            short c3 = codes[a + step + 3];
            sum0 = sum0.add(nibble(p0, 0).mul(c3));
            sum1 = sum1.add(nibble(p1, 0).mul(c3));
        }
        int s = (block * groups + g) * COLUMNS;
        float scale = x.scales()[row * (groups + 1) + g];
        rescale(sum0, scale, s, tile, to);
        rescale(sum1, scale, s + 2 * W, tile, to + 2 * W);
    }

    private void fourRows(
            HostActivation x,
            int firstRow,
            int last,
            int rows,
            int block,
            int g,
            int groups,
            float[] tile) {
        short[] codes = x.codes();
        int a0 = firstRow * in + g * group;
        int a1 = a0 + in;
        int a2 = a1 + in;
        int a3 = a0 + last * in;
        int w = (block * groups + g) * (group / 4) * 4 * W;
        ShortVector s00 = ShortVector.zero(Lanes.S);
        ShortVector s01 = s00;
        ShortVector s10 = s00;
        ShortVector s11 = s00;
        ShortVector s20 = s00;
        ShortVector s21 = s00;
        ShortVector s30 = s00;
        ShortVector s31 = s00;
        for (int step = 0; step < group; step += 4, w += 4 * W) {
            ShortVector p0 = ShortVector.fromArray(Lanes.S, lanes, w);
            ShortVector p1 = ShortVector.fromArray(Lanes.S, lanes, w + 2 * W);
            for (int j = 0; j < 4; j++) {
                ShortVector w0 = nibble(p0, 12 - 4 * j);
                ShortVector w1 = nibble(p1, 12 - 4 * j);
                short c0 = codes[a0 + step + j];
                s00 = s00.add(w0.mul(c0));
                s01 = s01.add(w1.mul(c0));
                short c1 = codes[a1 + step + j];
                s10 = s10.add(w0.mul(c1));
                s11 = s11.add(w1.mul(c1));
                short c2 = codes[a2 + step + j];
                s20 = s20.add(w0.mul(c2));
                s21 = s21.add(w1.mul(c2));
                short c3 = codes[a3 + step + j];
                s30 = s30.add(w0.mul(c3));
                s31 = s31.add(w1.mul(c3));
            }
        }
        int s = (block * groups + g) * COLUMNS;
        int scale = firstRow * (groups + 1) + g;
        int next = groups + 1;
        float[] sa = x.scales();
        rescale(s00, sa[scale], s, tile, 0);
        rescale(s01, sa[scale], s + 2 * W, tile, 2 * W);
        rescale(s10, sa[scale + next], s, tile, COLUMNS);
        rescale(s11, sa[scale + next], s + 2 * W, tile, COLUMNS + 2 * W);
        rescale(s20, sa[scale + 2 * next], s, tile, 2 * COLUMNS);
        rescale(s21, sa[scale + 2 * next], s + 2 * W, tile, 2 * COLUMNS + 2 * W);
        if (rows == 4) {
            rescale(s30, sa[scale + 3 * next], s, tile, 3 * COLUMNS);
            rescale(s31, sa[scale + 3 * next], s + 2 * W, tile, 3 * COLUMNS + 2 * W);
        }
    }

    /** Four bits of each lane, sign-extended: those below bit 16 - shift. */
    private static ShortVector nibble(ShortVector packed, int shift) {
        return packed.lanewise(VectorOperators.LSHL, shift).lanewise(VectorOperators.ASHR, 12);
    }

    /**
     * tile[to ..] = fma(scale · weight scale, sum, tile[to ..]) for the 2·WIDTH outputs of a
     * vector.
     */
    private void rescale(ShortVector sums, float scale, int scaleAt, float[] tile, int to) {
        IntVector both = sums.reinterpretAsInts();
        IntVector even = both.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16);
        IntVector odd = both.lanewise(VectorOperators.ASHR, 16);
        Lanes.load(scales, scaleAt)
                .mul(scale)
                .fma(Lanes.toFloat(even), Lanes.load(tile, to))
                .intoArray(tile, to);
        Lanes.load(scales, scaleAt + W)
                .mul(scale)
                .fma(Lanes.toFloat(odd), Lanes.load(tile, to + W))
                .intoArray(tile, to + W);
    }

    private void outlierGroup(
            HostActivation x, int firstRow, int rows, int block, int groups, float[] tile) {
        short[] codes = x.codes();
        int a0 = firstRow * in + in - outliers;
        int a1 = a0 + Math.min(1, rows - 1) * in;
        int a2 = a0 + Math.min(2, rows - 1) * in;
        int a3 = a0 + Math.min(3, rows - 1) * in;
        for (int c = 0; c < COLUMNS; c += 2 * W) {
            int w = block * outliers * COLUMNS + c;
            if (rows == 1) {
                FloatVector s0 = FloatVector.zero(Lanes.F);
                FloatVector s1 = s0;
                for (int j = 0; j < outliers; j++, w += COLUMNS) {
                    float c0 = codes[a0 + j];
                    s0 = Lanes.signedBytes(outlierCodes, w).fma(Lanes.broadcast(c0), s0);
                    s1 = Lanes.signedBytes(outlierCodes, w + W).fma(Lanes.broadcast(c0), s1);
                }
                addOutliers(x, firstRow, block, groups, c, s0, s1, tile, c);
                continue;
            }
            FloatVector s00 = FloatVector.zero(Lanes.F);
            FloatVector s01 = s00;
            FloatVector s10 = s00;
            FloatVector s11 = s00;
            FloatVector s20 = s00;
            FloatVector s21 = s00;
            FloatVector s30 = s00;
            FloatVector s31 = s00;
            for (int j = 0; j < outliers; j++, w += COLUMNS) {
                FloatVector w0 = Lanes.signedBytes(outlierCodes, w);
                FloatVector w1 = Lanes.signedBytes(outlierCodes, w + W);
                FloatVector c0 = Lanes.broadcast(codes[a0 + j]);
                s00 = w0.fma(c0, s00);
                s01 = w1.fma(c0, s01);
                FloatVector c1 = Lanes.broadcast(codes[a1 + j]);
                s10 = w0.fma(c1, s10);
                s11 = w1.fma(c1, s11);
                FloatVector c2 = Lanes.broadcast(codes[a2 + j]);
                s20 = w0.fma(c2, s20);
                s21 = w1.fma(c2, s21);
                FloatVector c3 = Lanes.broadcast(codes[a3 + j]);
                s30 = w0.fma(c3, s30);
                s31 = w1.fma(c3, s31);
            }
            addOutliers(x, firstRow, block, groups, c, s00, s01, tile, c);
            addOutliers(x, firstRow + 1, block, groups, c, s10, s11, tile, COLUMNS + c);
            if (rows > 2) {
                addOutliers(x, firstRow + 2, block, groups, c, s20, s21, tile, 2 * COLUMNS + c);
            }
            if (rows > 3) {
                addOutliers(x, firstRow + 3, block, groups, c, s30, s31, tile, 3 * COLUMNS + c);
            }
        }
    }

    private void addOutliers(
            HostActivation x,
            int row,
            int block,
            int groups,
            int column,
            FloatVector low,
            FloatVector high,
            float[] tile,
            int to) {
        float scale = x.scales()[row * (groups + 1) + groups];
        int s = block * COLUMNS + column;
        Lanes.load(outlierScales, s).mul(scale).fma(low, Lanes.load(tile, to)).intoArray(tile, to);
        Lanes.load(outlierScales, s + W)
                .mul(scale)
                .fma(high, Lanes.load(tile, to + W))
                .intoArray(tile, to + W);
    }
}
