package dev.aril.engine.quantize;

import dev.aril.engine.kernels.Matrices;
import dev.aril.engine.kernels.Matrices.Buffer;

/**
 * From a symmetric positive H the upper triangular U with H⁻¹ = UᵀU, which is what GPTQ reads. No
 * inverse is made: H = LᵀL with L lower triangular, block by block from the last to the first, and
 * U = (Lᵀ)⁻¹. All the work is in {@link Matrices#multiply}; only blocks of {@link #BLOCK} on the
 * diagonal are factored here, in doubles.
 */
final class TriangularFactor {
    static final int BLOCK = 128;

    /**
     * Rows or columns of a triangle that are computed as one rectangle: wide enough to fill a GPU,
     * so narrow that little is computed for nothing.
     */
    private static int panel(int n, int parts) {
        return Math.max(2 * BLOCK, Math.ceilDiv(n, parts * BLOCK) * BLOCK);
    }

    private final Matrices matrices;
    private final Buffer h;
    private final int n;

    private TriangularFactor(Matrices matrices, Buffer h) {
        this.matrices = matrices;
        this.h = h;
        this.n = h.rows();
    }

    /**
     * @param h [n, n], its lower triangle is read; afterwards it holds U, with zeros below
     * @throws ArithmeticException if H is not positive
     */
    static void invert(Matrices matrices, Buffer h) {
        new TriangularFactor(matrices, h).invert();
    }

    /** The lower triangle of c += scale * aᵀ a. */
    static void addSquare(Matrices matrices, Buffer c, float scale, Matrices.Block a) {
        int n = a.columns();
        int panel = panel(n, 16);
        for (int r = 0; r < n; r += panel) {
            int rows = Math.min(panel, n - r);
            Matrices.Block part =
                    new Matrices.Block(a.buffer(), a.row(), a.column() + r, a.rows(), rows);
            Matrices.Block before =
                    new Matrices.Block(a.buffer(), a.row(), a.column(), a.rows(), r + rows);
            matrices.multiply(c.block(r, 0, rows, r + rows), 1, scale, part, true, before);
        }
    }

    private void invert() {
        int blocks = Math.ceilDiv(n, BLOCK);
        float[][] inverses = new float[blocks][];
        Buffer lower = matrices.allocate(n, n);
        Buffer small = matrices.allocate(BLOCK, BLOCK);
        Buffer panel = matrices.allocate(BLOCK, n);
        int width = panel(n, 8);
        try {
            for (int b = blocks - 1; b >= 0; b--) {
                int at = b * BLOCK;
                int size = Math.min(BLOCK, n - at);
                inverses[b] =
                        inverse(factor(matrices.read(h.block(at, at, size, size)), size), size);
                if (b > 0) {
                    // the rest of the panel: (L_bb⁻¹)ᵀ · H
                    Matrices.Block inverse = small.block(0, 0, size, size);
                    matrices.write(inverse, inverses[b]);
                    Matrices.Block rest = lower.block(at, 0, size, at);
                    matrices.multiply(rest, 0, 1, inverse, true, h.block(at, 0, size, at));
                    addSquare(matrices, h, -1, rest);
                }
            }
            matrices.clear(h.all());
            for (int b = blocks - 1; b >= 0; b--) {
                int at = b * BLOCK;
                int size = Math.min(BLOCK, n - at);
                int behind = at + size;
                matrices.write(h.block(at, at, size, size), transposed(inverses[b], size));
                Matrices.Block inverse = small.block(0, 0, size, size);
                matrices.write(inverse, inverses[b]);
                for (int c = behind; c < n; c += width) {
                    int columns = Math.min(width, n - c);
                    int depth = c + columns - behind; // U has zeros below
                    Matrices.Block sum = panel.block(0, 0, size, columns);
                    matrices.multiply(
                            sum,
                            0,
                            1,
                            lower.block(behind, at, depth, size),
                            true,
                            h.block(behind, c, depth, columns));
                    matrices.multiply(h.block(at, c, size, columns), 0, -1, inverse, true, sum);
                }
            }
        } finally {
            matrices.free(lower);
            matrices.free(small);
            matrices.free(panel);
        }
    }

    /** The lower triangular L with LᵀL = a. */
    private static double[] factor(float[] a, int n) {
        double[] l = new double[n * n];
        for (int i = n - 1; i >= 0; i--) {
            for (int j = i; j >= 0; j--) {
                double sum = a[i * n + j];
                for (int k = i + 1; k < n; k++) {
                    sum -= l[k * n + i] * l[k * n + j];
                }
                if (i == j) {
                    if (!(sum > 0)) {
                        throw new ArithmeticException("the matrix is not positive");
                    }
                    l[i * n + i] = Math.sqrt(sum);
                } else {
                    l[i * n + j] = sum / l[i * n + i];
                }
            }
        }
        return l;
    }

    /** Of a lower triangular matrix. */
    private static float[] inverse(double[] l, int n) {
        double[] x = new double[n * n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j <= i; j++) {
                double sum = i == j ? 1 : 0;
                for (int k = j; k < i; k++) {
                    sum -= l[i * n + k] * x[k * n + j];
                }
                x[i * n + j] = sum / l[i * n + i];
            }
        }
        float[] rounded = new float[n * n];
        for (int i = 0; i < x.length; i++) {
            rounded[i] = (float) x[i];
        }
        return rounded;
    }

    private static float[] transposed(float[] a, int n) {
        float[] t = new float[n * n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                t[j * n + i] = a[i * n + j];
            }
        }
        return t;
    }
}
