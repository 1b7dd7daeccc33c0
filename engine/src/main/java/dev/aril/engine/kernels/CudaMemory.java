package dev.aril.engine.kernels;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What lies where in the device's memory; addresses are the device's, 0 for none. */
final class CudaMemory {
    private CudaMemory() {}

    /**
     * @param address [rows, columns] floats
     */
    record DeviceMatrix(int rows, int columns, long address) implements Kernels.Matrix {}

    /**
     * @param capacity rows there is memory for, a multiple of {@link CudaGemm#ROWS}
     * @param plain [capacity, columns] bf16, which adapters read
     * @param codes INT8 with their scales (int4.cuh), of a quantized layer's input
     * @param planes [3, capacity, columns] bf16, of a plain layer's input
     * @param order [columns] ints, 0 for the identity
     */
    record DeviceActivation(
            int rows,
            int capacity,
            int columns,
            @Nullable InputSpec spec,
            long plain,
            long codes,
            long planes,
            long order)
            implements Kernels.Activation {}

    sealed interface DeviceLinear extends Kernels.Linear {
        long weights();

        /** [out] floats, 0 for none. */
        long bias();
    }

    /**
     * @param weights INT4 weights and scales, as int4.cuh lays them out
     * @param outliers INT8 weights and scales, the same
     */
    record DeviceInt4(int out, int in, long weights, long outliers, long bias)
            implements DeviceLinear {}

    /**
     * @param weights [out, in] bf16
     */
    record DeviceBf16(int out, int in, long weights, long bias) implements DeviceLinear {}

    /**
     * A layer's mixture.
     *
     * @param gates [experts, 2, 2] addresses of gate's and up's weights and outliers
     * @param downs [experts, 1, 2] the same of down
     */
    record DeviceExperts(
            DeviceBf16 router,
            List<Kernels.Expert<DeviceLinear>> all,
            int perRow,
            long gates,
            long downs)
            implements Kernels.Experts {}

    /**
     * The output head.
     *
     * @param weights as pack_head writes them
     * @param scales [out] floats of INT8 weights, 0 for bf16
     * @param slabs pieces of 128 bytes in a row
     */
    record DeviceHead(int out, int in, long weights, long scales, int slabs)
            implements Kernels.Linear {
        /** Parts that its inputs are cut into. */
        int parts() {
            return scales == 0 ? 3 : 2;
        }
    }

    /**
     * @param address [rows, columns] bf16
     */
    record DeviceTable(int rows, int columns, long address) implements Kernels.Table {}

    /**
     * @param values [layers, blocks, heads] runs: cache.cuh
     */
    record DeviceCache(KvShape shape, long values) implements Kernels.KvCache {
        /** Of 16 positions' keys and values of one head in INT4, with their scales. */
        static int runBytes(int headDim) {
            return 2 * Kernels.BLOCK_TOKENS * (headDim / 2 + 4);
        }

        private static long layerBytes(KvShape shape) {
            int plain = 2 * Kernels.BLOCK_TOKENS * shape.headDim() * 4;
            int run = shape.quantized() ? runBytes(shape.headDim()) : plain;
            return (long) shape.blocks() * shape.heads() * run;
        }

        static long bytes(KvShape shape) {
            return shape.layers() * layerBytes(shape);
        }

        long values(int layer) {
            return values + layer * layerBytes(shape);
        }

        @Override
        public long bytes() {
            return bytes(shape);
        }
    }

    static int roundUp(int value, int to) {
        return (value + to - 1) / to * to;
    }
}
