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
     * @param codes [rows, columns] in channel order; INT4 and INT8 codes in a wider container, so
     *     that kernels need not unpack them
     * @param scales [rows, groups + 1] the outlier group's scale last
     */
    record HostActivation(
            int rows,
            int columns,
            float[] plain,
            @Nullable InputSpec spec,
            short[] codes,
            float[] scales)
            implements Kernels.Activation {
        static HostActivation of(int rows, int columns, @Nullable InputSpec spec) {
            return new HostActivation(
                    rows,
                    columns,
                    new float[rows * columns],
                    spec,
                    new short[spec == null ? 0 : rows * columns],
                    new float[spec == null ? 0 : rows * (spec.groups(columns) + 1)]);
        }

        InputSpec quantized() {
            if (spec == null) {
                throw new IllegalArgumentException("a quantized layer needs a quantized input");
            }
            return spec;
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
