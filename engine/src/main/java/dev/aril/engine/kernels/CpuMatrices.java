package dev.aril.engine.kernels;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * The Vector API on all cores. A task makes one square of c: both factors' parts are copied into
 * panels that lie in the order in which they are read, and tiles of {@link #ROWS} rows by four
 * vectors stay in registers while a panel's depth is summed up.
 */
public final class CpuMatrices implements Matrices {
    private static final int W = Lanes.WIDTH;

    /** Of a tile in registers. */
    private static final int ROWS = 4;

    private static final int COLUMNS = 4 * W;

    /** Of a task's square of c, and the depth that is copied at once. */
    private static final int SQUARE = 128;

    private static final int DEPTH = 256;

    private record HostBuffer(int rows, int columns, float[] values) implements Buffer {}

    /** What one thread needs for itself. */
    private static final class Panels {
        final float[] a = new float[DEPTH * SQUARE];
        final float[] b = new float[DEPTH * (SQUARE + COLUMNS)];
        final float[] tile = new float[ROWS * COLUMNS];
    }

    private final Workers workers;
    private final ThreadLocal<Panels> panels = ThreadLocal.withInitial(Panels::new);

    /**
     * @param threads 0 takes all cores
     */
    public CpuMatrices(int threads) {
        workers = new Workers(threads > 0 ? threads : Runtime.getRuntime().availableProcessors());
    }

    @Override
    public Buffer allocate(int rows, int columns) {
        return new HostBuffer(rows, columns, new float[Math.multiplyExact(rows, columns)]);
    }

    @Override
    public void free(Buffer buffer) {} // the heap's

    @Override
    public void clear(Block block) {
        for (int r = 0; r < block.rows(); r++) {
            int at = at(block, r, 0);
            Arrays.fill(values(block), at, at + block.columns(), 0f);
        }
    }

    @Override
    public void write(Block to, float[] values) {
        for (int r = 0; r < to.rows(); r++) {
            System.arraycopy(values, r * to.columns(), values(to), at(to, r, 0), to.columns());
        }
    }

    @Override
    public float[] read(Block from) {
        float[] values = new float[Math.multiplyExact(from.rows(), from.columns())];
        for (int r = 0; r < from.rows(); r++) {
            System.arraycopy(
                    values(from), at(from, r, 0), values, r * from.columns(), from.columns());
        }
        return values;
    }

    private static float[] values(Block block) {
        return ((HostBuffer) block.buffer()).values();
    }

    private static int at(Block block, int row, int column) {
        return (block.row() + row) * block.buffer().columns() + block.column() + column;
    }

    @Override
    public void multiply(Block c, float keep, float scale, Block a, boolean transposed, Block b) {
        Matrices.check(c, a, transposed, b);
        int down = Math.ceilDiv(c.rows(), SQUARE);
        int across = Math.ceilDiv(c.columns(), SQUARE);
        workers.run(
                down * across,
                task ->
                        square(
                                c,
                                keep,
                                scale,
                                a,
                                transposed,
                                b,
                                task / across * SQUARE,
                                task % across * SQUARE));
    }

    private void square(
            Block c,
            float keep,
            float scale,
            Block a,
            boolean transposed,
            Block b,
            int row,
            int column) {
        int rows = Math.min(SQUARE, c.rows() - row);
        int columns = Math.min(SQUARE, c.columns() - column);
        scale(c, row, column, rows, columns, keep);
        Panels own = panels.get();
        for (int k = 0; k < b.rows(); k += DEPTH) {
            int depth = Math.min(DEPTH, b.rows() - k);
            if (transposed) {
                copyTransposed(a, k, row, depth, rows, own.a);
            } else {
                copyRows(a, row, k, depth, rows, own.a);
            }
            copy(b, k, column, depth, columns, own.b);
            for (int j = 0; j < columns; j += COLUMNS) {
                for (int i = 0; i < rows; i += ROWS) {
                    tile(own, i * depth, j * depth, depth);
                    add(own.tile, scale, c, row + i, column + j, rows - i, columns - j);
                }
            }
        }
    }

    private static void scale(Block c, int row, int column, int rows, int columns, float keep) {
        if (keep == 1) {
            return;
        }
        for (int r = row; r < row + rows; r++) {
            int at = at(c, r, column);
            if (keep == 0) {
                Arrays.fill(values(c), at, at + columns, 0f);
            } else {
                for (int i = at; i < at + columns; i++) {
                    values(c)[i] *= keep;
                }
            }
        }
    }

    /** Panels of ROWS columns of a, one after the other: [panel, depth, ROWS], zeros at the end. */
    private static void copyTransposed(
            Block a, int k, int from, int depth, int rows, float[] panel) {
        float[] x = values(a);
        for (int i = 0; i < rows; i += ROWS) {
            int n = Math.min(ROWS, rows - i);
            for (int d = 0; d < depth; d++) {
                int at = at(a, k + d, from + i);
                int to = i * depth + d * ROWS;
                for (int r = 0; r < ROWS; r++) {
                    panel[to + r] = r < n ? x[at + r] : 0;
                }
            }
        }
    }

    /** The same of a's rows. */
    private static void copyRows(Block a, int from, int k, int depth, int rows, float[] panel) {
        float[] x = values(a);
        for (int i = 0; i < rows; i += ROWS) {
            for (int r = 0; r < ROWS; r++) {
                int to = i * depth + r;
                if (i + r < rows) {
                    int at = at(a, from + i + r, k);
                    for (int d = 0; d < depth; d++) {
                        panel[to + d * ROWS] = x[at + d];
                    }
                } else {
                    for (int d = 0; d < depth; d++) {
                        panel[to + d * ROWS] = 0;
                    }
                }
            }
        }
    }

    /** Panels of COLUMNS columns of b: [panel, depth, COLUMNS], zeros at the end. */
    private static void copy(Block b, int k, int from, int depth, int columns, float[] panel) {
        for (int j = 0; j < columns; j += COLUMNS) {
            int n = Math.min(COLUMNS, columns - j);
            for (int d = 0; d < depth; d++) {
                int to = j * depth + d * COLUMNS;
                System.arraycopy(values(b), at(b, k + d, from + j), panel, to, n);
                Arrays.fill(panel, to + n, to + COLUMNS, 0f);
            }
        }
    }

    private static void tile(Panels own, int aAt, int bAt, int depth) {
        float[] a = own.a;
        float[] b = own.b;
        FloatVector s00 = FloatVector.zero(Lanes.F);
        FloatVector s01 = s00;
        FloatVector s02 = s00;
        FloatVector s03 = s00;
        FloatVector s10 = s00;
        FloatVector s11 = s00;
        FloatVector s12 = s00;
        FloatVector s13 = s00;
        FloatVector s20 = s00;
        FloatVector s21 = s00;
        FloatVector s22 = s00;
        FloatVector s23 = s00;
        FloatVector s30 = s00;
        FloatVector s31 = s00;
        FloatVector s32 = s00;
        FloatVector s33 = s00;
        for (int d = 0, i = aAt, j = bAt; d < depth; d++, i += ROWS, j += COLUMNS) {
            FloatVector b0 = Lanes.load(b, j);
            FloatVector b1 = Lanes.load(b, j + W);
            FloatVector b2 = Lanes.load(b, j + 2 * W);
            FloatVector b3 = Lanes.load(b, j + 3 * W);
            FloatVector x = Lanes.broadcast(a[i]);
            s00 = b0.fma(x, s00);
            s01 = b1.fma(x, s01);
            s02 = b2.fma(x, s02);
            s03 = b3.fma(x, s03);
            x = Lanes.broadcast(a[i + 1]);
            s10 = b0.fma(x, s10);
            s11 = b1.fma(x, s11);
            s12 = b2.fma(x, s12);
            s13 = b3.fma(x, s13);
            x = Lanes.broadcast(a[i + 2]);
            s20 = b0.fma(x, s20);
            s21 = b1.fma(x, s21);
            s22 = b2.fma(x, s22);
            s23 = b3.fma(x, s23);
            x = Lanes.broadcast(a[i + 3]);
            s30 = b0.fma(x, s30);
            s31 = b1.fma(x, s31);
            s32 = b2.fma(x, s32);
            s33 = b3.fma(x, s33);
        }
        float[] tile = own.tile;
        s00.intoArray(tile, 0);
        s01.intoArray(tile, W);
        s02.intoArray(tile, 2 * W);
        s03.intoArray(tile, 3 * W);
        s10.intoArray(tile, COLUMNS);
        s11.intoArray(tile, COLUMNS + W);
        s12.intoArray(tile, COLUMNS + 2 * W);
        s13.intoArray(tile, COLUMNS + 3 * W);
        s20.intoArray(tile, 2 * COLUMNS);
        s21.intoArray(tile, 2 * COLUMNS + W);
        s22.intoArray(tile, 2 * COLUMNS + 2 * W);
        s23.intoArray(tile, 2 * COLUMNS + 3 * W);
        s30.intoArray(tile, 3 * COLUMNS);
        s31.intoArray(tile, 3 * COLUMNS + W);
        s32.intoArray(tile, 3 * COLUMNS + 2 * W);
        s33.intoArray(tile, 3 * COLUMNS + 3 * W);
    }

    /** Adds a tile to c, without what lies beyond the square. */
    private static void add(
            float[] tile, float scale, Block c, int row, int column, int rows, int columns) {
        float[] x = values(c);
        int n = Math.min(COLUMNS, columns);
        for (int r = 0; r < Math.min(ROWS, rows); r++) {
            int to = at(c, row + r, column);
            for (int j = 0; j < n; j++) {
                x[to + j] += scale * tile[r * COLUMNS + j];
            }
        }
    }

    @Override
    public void close() {
        workers.close();
    }
}
