package dev.aril.engine.kernels;

import dev.aril.engine.kernels.HostMemory.HostActivation;
import java.util.Arrays;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * INT4 weights for vectors of 16-bit lanes. A group's sum of 128 products of 4-bit values is at
 * most 7168, so multiply and add stay in 16 bits; it is exact, and is scaled in FP32 once a group.
 * The outlier group's products are summed in FP32, exactly too: 128 · 127² is below 2^24. So are
 * those of groups whose sums 16 bits do not hold: 8-bit activations, or wider groups.
 *
 * @param lanes [blocks, groups, group / 4, 2, 2·WIDTH]: a 16-bit lane holds four consecutive inputs
 *     of one output, the first lowest. Even lanes of the pair's vector v are outputs v·2·WIDTH + 0
 *     .. WIDTH - 1, odd lanes the WIDTH outputs after them: so 16-bit sums widen with shifts alone
 * @param scales [blocks, groups, COLUMNS]
 * @param outlierLanes [blocks, outliers, COLUMNS]: INT8 codes as bf16, which holds them exactly, in
 *     the lane order of {@link BlockedBf16}
 * @param outlierScales [blocks, COLUMNS]
 */
record BlockedInt4(
        int out,
        int in,
        int group,
        int outliers,
        short[] lanes,
        float[] scales,
        short[] outlierLanes,
        float[] outlierScales)
        implements BlockedLinear {
    private static final int W = Lanes.WIDTH;

    /** 16-bit sums hold this many products of 4-bit values. */
    private static final int MAX_GROUP = 256;

    /** From 128 to 255 the last bit of a bf16 counts ones: 136 plus a code of INT4 is there. */
    private static final int ZERO = 136;

    private static final short ZERO_BITS = 0x4308;

    /** What one thread needs for itself. */
    private static final class Scratch {
        short[] codes = new short[MAX_GROUP * COLUMNS];
        float[] inputs = new float[0];
        final short[] sums = new short[4 * COLUMNS];
        final float[] outlierSums = new float[4 * COLUMNS];
        float[] halves = new float[0];
    }

    private static final ThreadLocal<Scratch> SCRATCH = ThreadLocal.withInitial(Scratch::new);

    static BlockedInt4 of(LinearWeights.Int4 w) {
        if (w.group() % 4 != 0) {
            throw new IllegalArgumentException(
                    "group size " + w.group() + " must be a multiple of 4");
        }
        int blocks = (w.out() + COLUMNS - 1) / COLUMNS;
        int groups = w.groups();
        short[] lanes = new short[blocks * COLUMNS * (w.in() - w.outliers()) / 4];
        float[] scales = new float[blocks * groups * COLUMNS];
        short[] outlierLanes = new short[blocks * w.outliers() * COLUMNS];
        float[] outlierScales = new float[blocks * COLUMNS];
        for (int n = 0; n < w.out(); n++) {
            int block = n / COLUMNS;
            int column = n % COLUMNS;
            int lane = lane(column);
            for (int g = 0; g < groups; g++) {
                scales[(block * groups + g) * COLUMNS + column] =
                        Float.float16ToFloat(w.scales()[n * groups + g]);
                for (int step = 0; step < w.group() / 4; step++) {
                    int packed = 0;
                    for (int j = 0; j < 4; j++) {
                        packed |= (w.code(n, g * w.group() + 4 * step + j) & 15) << 4 * j;
                    }
                    int at = (block * groups + g) * (w.group() / 4) + step;
                    lanes[at * COLUMNS + lane] = (short) packed;
                }
            }
            for (int j = 0; j < w.outliers(); j++) {
                outlierLanes[(block * w.outliers() + j) * COLUMNS + lane] =
                        Bf16Bits.upper(w.outlierCodes()[n * w.outliers() + j]);
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
                outlierLanes,
                outlierScales);
    }

    /** Where a block's column lies among its COLUMNS 16-bit lanes. */
    static int lane(int column) {
        return column / (2 * W) * 2 * W + column % W * 2 + column / W % 2;
    }

    @Override
    public void tile(HostActivation x, int firstRow, int rows, int block, float[] tile) {
        int count = rows * COLUMNS;
        Arrays.fill(tile, 0, count, 0f);
        Scratch scratch = SCRATCH.get();
        if (scratch.halves.length < 2 * count) {
            scratch.halves = new float[2 * count];
        }
        int groups = (in - outliers) / group;
        boolean wide = wide(x);
        for (int run = 0; run < Runs.COUNT; run++) {
            int end = Runs.begin(groups + 1, run + 1);
            for (int g = Runs.begin(groups + 1, run); g < end; g++) {
                if (g < groups && wide) {
                    wideGroup(x, firstRow, rows, block, g, scratch, tile);
                } else if (g < groups) {
                    regularGroup(x, firstRow, rows, block, g, scratch, tile);
                } else {
                    for (int r = 0; r < rows; r += 4) {
                        int n = Math.min(4, rows - r);
                        outlierGroup(x, firstRow + r, n, block, scratch, tile, r * COLUMNS);
                    }
                }
            }
            Runs.end(run, tile, scratch.halves, count);
        }
        Runs.join(scratch.halves, tile, count);
    }

    /** tile += scale · weight scale · a group's sums. */
    private void regularGroup(
            HostActivation x,
            int firstRow,
            int rows,
            int block,
            int g,
            Scratch scratch,
            float[] tile) {
        int regular = in - outliers;
        int groups = regular / group;
        int from = (block * groups + g) * (group / 4) * COLUMNS;
        int scaleAt = (block * groups + g) * COLUMNS;
        if (rows == 1) {
            float scale = x.scales()[firstRow * (groups + 1) + g];
            for (int v = 0; v < COLUMNS; v += 2 * W) {
                packedRow(from + v, x.codes(), firstRow * regular + g * group, scratch.sums);
                rescale(scratch.sums, 0, scale, scaleAt + v, tile, v);
            }
            return;
        }
        unpack(from, scratch.codes);
        for (int r = 0; r < rows; r += 4) {
            int n = Math.min(4, rows - r);
            sums(scratch, x.codes(), (firstRow + r) * regular + g * group, regular, n);
            for (int i = 0; i < n; i++) {
                float scale = x.scales()[(firstRow + r + i) * (groups + 1) + g];
                for (int v = 0; v < COLUMNS; v += 2 * W) {
                    int to = (r + i) * COLUMNS + v;
                    rescale(scratch.sums, i * COLUMNS + v, scale, scaleAt + v, tile, to);
                }
            }
        }
    }

    /**
     * Whether a group's sums need more than 16 bits.
     *
     * @throws IllegalArgumentException if FP32 does not hold them either
     */
    private boolean wide(HostActivation x) {
        int largest = x.spec() == null ? 8 : -x.spec().bottom();
        if ((long) group * (ZERO + 7) * largest >= 1 << 24) {
            throw new IllegalArgumentException(
                    "groups of " + group + " are too wide for the codes of their activations");
        }
        return group > MAX_GROUP || largest > 8;
    }

    /** As {@link #regularGroup}, with sums in FP32. */
    private void wideGroup(
            HostActivation x,
            int firstRow,
            int rows,
            int block,
            int g,
            Scratch scratch,
            float[] tile) {
        int regular = in - outliers;
        int groups = regular / group;
        if (scratch.codes.length < group * COLUMNS) {
            scratch.codes = new short[group * COLUMNS];
        }
        if (scratch.inputs.length < 4 * group) {
            scratch.inputs = new float[4 * group];
        }
        unpack((block * groups + g) * (group / 4) * COLUMNS, scratch.codes);
        short[] codes = scratch.codes;
        for (int i = 0; i < group * COLUMNS; i += 2 * W) {
            // ZERO + code as bf16, whose last digits count ones there; taken off again below
            ShortVector.fromArray(Lanes.S, codes, i).add(ZERO_BITS).intoArray(codes, i);
        }
        float[] sums = scratch.outlierSums;
        int scaleAt = (block * groups + g) * COLUMNS;
        for (int r = 0; r < rows; r += 4) {
            int n = Math.min(4, rows - r);
            for (int i = 0; i < n; i++) {
                int from = (firstRow + r + i) * regular + g * group;
                for (int j = 0; j < group; j++) {
                    scratch.inputs[i * group + j] = x.codes()[from + j];
                }
            }
            BlockedBf16.sums(codes, 0, group, scratch.inputs, 0, n, sums, 0);
            for (int i = 0; i < n; i++) {
                float added = 0;
                for (int j = 0; j < group; j++) {
                    added += ZERO * scratch.inputs[i * group + j];
                }
                float scale = x.scales()[(firstRow + r + i) * (groups + 1) + g];
                for (int c = 0; c < COLUMNS; c += W) {
                    int to = (r + i) * COLUMNS + c;
                    Lanes.load(scales, scaleAt + c)
                            .mul(scale)
                            .fma(Lanes.load(sums, i * COLUMNS + c).sub(added), Lanes.load(tile, to))
                            .intoArray(tile, to);
                }
            }
        }
    }

    /** Half a block's sums for one row of inputs, which is not worth unpacking a group for. */
    private void packedRow(int from, short[] x, int a, short[] sums) {
        ShortVector s0 = ShortVector.zero(Lanes.S);
        ShortVector s1 = s0;
        for (int k = 0, at = from; k < group; k += 4, at += COLUMNS) {
            ShortVector packed = ShortVector.fromArray(Lanes.S, lanes, at);
            s0 = s0.add(nibble(packed, 12).mul(ShortVector.broadcast(Lanes.S, x[a + k])));
            s1 = s1.add(nibble(packed, 8).mul(ShortVector.broadcast(Lanes.S, x[a + k + 1])));
            s0 = s0.add(nibble(packed, 4).mul(ShortVector.broadcast(Lanes.S, x[a + k + 2])));
            ShortVector last = packed.lanewise(VectorOperators.ASHR, 12);
            s1 = s1.add(last.mul(ShortVector.broadcast(Lanes.S, x[a + k + 3])));
        }
        s0.add(s1).intoArray(sums, 0);
    }

    /** One group's codes, a 16-bit lane each: [group, COLUMNS]. */
    private void unpack(int from, short[] codes) {
        for (int step = 0, at = from, to = 0; step < group; step += 4, at += COLUMNS) {
            for (int v = 0; v < COLUMNS; v += 2 * W, to += 2 * W) {
                ShortVector packed = ShortVector.fromArray(Lanes.S, lanes, at + v);
                nibble(packed, 12).intoArray(codes, to);
                nibble(packed, 8).intoArray(codes, to + COLUMNS);
                nibble(packed, 4).intoArray(codes, to + 2 * COLUMNS);
                nibble(packed, 0).intoArray(codes, to + 3 * COLUMNS);
            }
            to += 3 * COLUMNS;
        }
    }

    /** Four bits of each lane, sign-extended: those below bit 16 - shift. */
    private static ShortVector nibble(ShortVector packed, int shift) {
        return packed.lanewise(VectorOperators.LSHL, shift).lanewise(VectorOperators.ASHR, 12);
    }

    /** A group's sums [rows, COLUMNS] in 16 bits, for 1 to 4 rows of inputs. */
    private void sums(Scratch scratch, short[] x, int a, int stride, int rows) {
        if (rows >= 3) {
            // a missing fourth row repeats the third
            fourRows(scratch, x, a, stride, (rows - 1) * stride);
            return;
        }
        for (int r = 0; r < rows; r++) {
            oneRow(scratch, x, a + r * stride, r * COLUMNS);
        }
    }

    private void oneRow(Scratch scratch, short[] x, int a, int to) {
        short[] codes = scratch.codes;
        ShortVector s0 = ShortVector.zero(Lanes.S);
        ShortVector s1 = s0;
        for (int k = 0, w = 0; k < group; k++, w += COLUMNS) {
            ShortVector c = ShortVector.broadcast(Lanes.S, x[a + k]);
            s0 = s0.add(ShortVector.fromArray(Lanes.S, codes, w).mul(c));
            s1 = s1.add(ShortVector.fromArray(Lanes.S, codes, w + 2 * W).mul(c));
        }
        s0.intoArray(scratch.sums, to);
        s1.intoArray(scratch.sums, to + 2 * W);
    }

    private void fourRows(Scratch scratch, short[] x, int a, int stride, int last) {
        short[] codes = scratch.codes;
        ShortVector s00 = ShortVector.zero(Lanes.S);
        ShortVector s01 = s00;
        ShortVector s10 = s00;
        ShortVector s11 = s00;
        ShortVector s20 = s00;
        ShortVector s21 = s00;
        ShortVector s30 = s00;
        ShortVector s31 = s00;
        for (int k = 0, w = 0; k < group; k++, w += COLUMNS) {
            ShortVector w0 = ShortVector.fromArray(Lanes.S, codes, w);
            ShortVector w1 = ShortVector.fromArray(Lanes.S, codes, w + 2 * W);
            ShortVector c0 = ShortVector.broadcast(Lanes.S, x[a + k]);
            s00 = s00.add(w0.mul(c0));
            s01 = s01.add(w1.mul(c0));
            ShortVector c1 = ShortVector.broadcast(Lanes.S, x[a + stride + k]);
            s10 = s10.add(w0.mul(c1));
            s11 = s11.add(w1.mul(c1));
            ShortVector c2 = ShortVector.broadcast(Lanes.S, x[a + 2 * stride + k]);
            s20 = s20.add(w0.mul(c2));
            s21 = s21.add(w1.mul(c2));
            ShortVector c3 = ShortVector.broadcast(Lanes.S, x[a + last + k]);
            s30 = s30.add(w0.mul(c3));
            s31 = s31.add(w1.mul(c3));
        }
        short[] sums = scratch.sums;
        s00.intoArray(sums, 0);
        s01.intoArray(sums, 2 * W);
        s10.intoArray(sums, COLUMNS);
        s11.intoArray(sums, COLUMNS + 2 * W);
        s20.intoArray(sums, 2 * COLUMNS);
        s21.intoArray(sums, 2 * COLUMNS + 2 * W);
        s30.intoArray(sums, 3 * COLUMNS);
        s31.intoArray(sums, 3 * COLUMNS + 2 * W);
    }

    /** tile = fma(scale · weight scale, sum, tile) for the 2·WIDTH outputs of a vector. */
    private void rescale(short[] sums, int from, float scale, int scaleAt, float[] tile, int to) {
        IntVector both = ShortVector.fromArray(Lanes.S, sums, from).reinterpretAsInts();
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

    /** tile[to ..] += outlier scale · weight scale · sum for 1 to 4 rows. */
    private void outlierGroup(
            HostActivation x,
            int firstRow,
            int rows,
            int block,
            Scratch scratch,
            float[] tile,
            int tileAt) {
        float[] sums = scratch.outlierSums;
        int groups = (in - outliers) / group;
        BlockedBf16.sums(
                outlierLanes,
                block * outliers * COLUMNS,
                outliers,
                x.outliers(),
                firstRow * outliers,
                rows,
                sums,
                0);
        for (int r = 0; r < rows; r++) {
            float scale = x.scales()[(firstRow + r) * (groups + 1) + groups];
            for (int c = 0; c < COLUMNS; c += W) {
                int to = tileAt + r * COLUMNS + c;
                Lanes.load(outlierScales, block * COLUMNS + c)
                        .mul(scale)
                        .fma(Lanes.load(sums, r * COLUMNS + c), Lanes.load(tile, to))
                        .intoArray(tile, to);
            }
        }
    }
}
