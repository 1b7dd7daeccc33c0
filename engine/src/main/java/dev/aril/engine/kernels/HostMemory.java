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

    static float bf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }
}
