package dev.aril.engine.kernels;

import dev.aril.engine.Gpu;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;

@Tag("gpu")
class CudaKernelsTest extends KernelsContract {
    @BeforeAll
    static void needsAGpu() {
        Gpu.isNeeded();
    }

    /** Kept as bf16, which is what adapters read. */
    @Override
    double plainTolerance() {
        return 0x1p-8;
    }

    /** Adapters are bf16 and read bf16, here up to rank 256 with weights as large as the base's. */
    @Override
    double layerTolerance() {
        return 0x1p-6;
    }

    @Override
    boolean takesAnyGroups() {
        return false;
    }

    @Override
    Kernels kernels() {
        return new CudaKernels(1L << 30);
    }
}
