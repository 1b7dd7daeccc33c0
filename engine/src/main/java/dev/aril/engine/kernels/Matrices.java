package dev.aril.engine.kernels;

/**
 * Products of large matrices of floats, for what an import computes beside the model: second
 * moments, triangular factors, updates of weights. Sums have an order that the shapes fix, so that
 * an import gives the same bits again.
 *
 * <p>Not thread safe: one thread drives it.
 */
public sealed interface Matrices extends AutoCloseable permits CpuMatrices, CudaMatrices {
    /** Floats on the device, row-major. */
    interface Buffer {
        int rows();

        int columns();

        default Block all() {
            return new Block(this, 0, 0, rows(), columns());
        }

        default Block block(int row, int column, int rows, int columns) {
            return new Block(this, row, column, rows, columns);
        }
    }

    /** A rectangle of a buffer. */
    record Block(Buffer buffer, int row, int column, int rows, int columns) {
        public Block {
            if (row < 0
                    || column < 0
                    || rows < 0
                    || columns < 0
                    || row + rows > buffer.rows()
                    || column + columns > buffer.columns()) {
                throw new IllegalArgumentException(
                        rows
                                + " by "
                                + columns
                                + " at "
                                + row
                                + ", "
                                + column
                                + " of "
                                + buffer.rows()
                                + " by "
                                + buffer.columns());
            }
        }
    }

    /** Of zeros. */
    Buffer allocate(int rows, int columns);

    void free(Buffer buffer);

    void clear(Block block);

    /**
     * @param values [rows, columns]
     */
    void write(Block to, float[] values);

    /**
     * @return [rows, columns]
     */
    float[] read(Block from);

    /**
     * c = keep * c + scale * op(a) * b in FP32.
     *
     * @param c [m, n], overlaps neither a nor b
     * @param keep 0 overwrites c, whatever is in it
     * @param transposed whether op(a) is a's transpose, a being [k, m]; if not, a is [m, k]
     * @param b [k, n]
     */
    void multiply(Block c, float keep, float scale, Block a, boolean transposed, Block b);

    /**
     * What {@link #multiply} asks of its matrices.
     *
     * @throws IllegalArgumentException if the shapes do not fit
     */
    static void check(Block c, Block a, boolean transposed, Block b) {
        int rows = transposed ? a.columns() : a.rows();
        int depth = transposed ? a.rows() : a.columns();
        if (rows != c.rows() || depth != b.rows() || b.columns() != c.columns()) {
            throw new IllegalArgumentException("shapes of a product do not fit");
        }
    }

    @Override
    void close();
}
