package dev.aril.engine.kernels;

import org.jspecify.annotations.Nullable;

/** What both CPU implementations keep on the heap in the same layout. */
final class HostMemory {
    private HostMemory() {}

    /**
     * @param values [rows, columns]
     */
    record HostMatrix(int rows, int columns, float[] values) implements Kernels.Matrix {
        HostMatrix(int rows, int columns) {
            this(rows, columns, new float[rows * columns]);
        }
    }

    /**
     * @param plain [rows, columns] in the input's own order
     * @param codes [rows, columns - outliers] INT4 codes in channel order, in a wider container, so
     *     that kernels need not unpack them
     * @param outliers [rows, outliers] INT8 codes in channel order, as floats
     * @param scales [rows, groups + 1] the outlier group's scale last
     */
    record HostActivation(
            int rows,
            int columns,
            float[] plain,
            @Nullable InputSpec spec,
            short[] codes,
            float[] outliers,
            float[] scales)
            implements Kernels.Activation {
        static HostActivation of(int rows, int columns, @Nullable InputSpec spec) {
            int outliers = spec == null ? 0 : spec.outliers();
            return new HostActivation(
                    rows,
                    columns,
                    new float[rows * columns],
                    spec,
                    new short[spec == null ? 0 : rows * (columns - outliers)],
                    new float[rows * outliers],
                    new float[spec == null ? 0 : rows * (spec.groups(columns) + 1)]);
        }

        /** Rows of another activation of the same width and quantization, in another order. */
        void gather(HostActivation from, int row, int to) {
            copy(from.plain, row, plain, to, columns);
            if (spec != null) {
                copy(from.codes, row, codes, to, columns - spec.outliers());
                copy(from.outliers, row, outliers, to, spec.outliers());
                copy(from.scales, row, scales, to, spec.groups(columns) + 1);
            }
        }

        @SuppressWarnings("SuspiciousSystemArraycopy")
        private static void copy(Object from, int row, Object to, int at, int length) {
            System.arraycopy(from, row * length, to, at * length, length);
        }

        HostActivation with(@Nullable InputSpec next) {
            return new HostActivation(rows, columns, plain, next, codes, outliers, scales);
        }
    }

    static float[] values(Kernels.Matrix matrix) {
        return ((HostMatrix) matrix).values();
    }

    static HostActivation host(Kernels.Activation activation) {
        return (HostActivation) activation;
    }
}
