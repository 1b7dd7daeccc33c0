package dev.aril.engine.kernels;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;

@Tag("gpu")
class CudaKernelsTest extends KernelsContract {
    @BeforeAll
    static void needsAGpu() {
        assumeTrue(
                CudaKernels.unusable().isEmpty(),
                () -> "no GPU here: " + CudaKernels.unusable().orElse(""));
    }

    /** Kept as bf16, which is what adapters read. */
    @Override
    double plainTolerance() {
        return 0x1p-8;
    }

    /** Adapters are bf16 and read bf16. */
    @Override
    double layerTolerance() {
        return 0x1p-7;
    }

    @Override
    Kernels kernels() {
        return new CudaKernels(1L << 30);
    }
}
