package dev.aril.engine.kernels;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;

/** The products and the head that older GPUs run, on whichever there is. */
@Tag("gpu")
class CudaPortableKernelsTest extends CudaKernelsTest {
    @BeforeAll
    static void needsAGpu() {
        assumeTrue(
                CudaKernels.unusable().isEmpty(),
                () -> "no GPU here: " + CudaKernels.unusable().orElse(""));
    }

    @Override
    Kernels kernels() {
        System.setProperty(CudaPrograms.PORTABLE, "true");
        try {
            return super.kernels();
        } finally {
            System.clearProperty(CudaPrograms.PORTABLE);
        }
    }
}
