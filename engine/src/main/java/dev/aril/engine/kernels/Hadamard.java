package dev.aril.engine.kernels;

/** The normalized Walsh–Hadamard transform; its own inverse. */
public final class Hadamard {
    private Hadamard() {}

    /**
     * Transforms x[at .. at + size) in place, stages from neighbours outwards, in float.
     *
     * @param size a power of two
     */
    public static void apply(float[] x, int at, int size) {
        for (int h = 1; h < size; h *= 2) {
            for (int i = at; i < at + size; i += 2 * h) {
                for (int j = i; j < i + h; j++) {
                    float a = x[j];
                    float b = x[j + h];
                    x[j] = a + b;
                    x[j + h] = a - b;
                }
            }
        }
        float norm = norm(size);
        for (int i = at; i < at + size; i++) {
            x[i] *= norm;
        }
    }

    /**
     * Rotates the rows of each head.
     *
     * @param matrix [heads * headDim, columns]
     */
    public static void rotateHeads(float[] matrix, int columns, int headDim) {
        float[] column = new float[headDim];
        for (int head = 0; head < matrix.length / columns; head += headDim) {
            for (int c = 0; c < columns; c++) {
                for (int d = 0; d < headDim; d++) {
                    column[d] = matrix[(head + d) * columns + c];
                }
                apply(column, 0, headDim);
                for (int d = 0; d < headDim; d++) {
                    matrix[(head + d) * columns + c] = column[d];
                }
            }
        }
    }

    static float norm(int size) {
        return (float) (1 / Math.sqrt(size));
    }
}
