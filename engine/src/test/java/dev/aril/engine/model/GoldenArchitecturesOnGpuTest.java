package dev.aril.engine.model;

import dev.aril.engine.Gpu;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.kernels.Kernels;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;

/** The same on a GPU. */
@Tag("gpu")
class GoldenArchitecturesOnGpuTest extends GoldenArchitecturesTest {
    @BeforeAll
    static void needsAGpu() {
        Gpu.isNeeded();
    }

    @Override
    Kernels kernels() {
        return new CudaKernels(1L << 30);
    }
}
