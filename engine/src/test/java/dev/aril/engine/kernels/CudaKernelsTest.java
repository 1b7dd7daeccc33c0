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

    @Override
    Kernels kernels() {
        return new CudaKernels(1L << 30);
    }
}
