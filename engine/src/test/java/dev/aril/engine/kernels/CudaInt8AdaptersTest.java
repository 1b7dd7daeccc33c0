package dev.aril.engine.kernels;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;

/** Adapters kept in INT8, whose updates may lose a fiftieth, and a head in bf16 throughout. */
@Tag("gpu")
class CudaInt8AdaptersTest extends CudaKernelsTest {
    @BeforeAll
    static void needsAGpu() {
        assumeTrue(
                CudaKernels.unusable().isEmpty(),
                () -> "no GPU here: " + CudaKernels.unusable().orElse(""));
    }

    @Override
    double layerTolerance() {
        return 0x1p-5;
    }

    @Override
    Kernels kernels() {
        return new CudaKernels(1L << 30, AdapterPrecision.INT8, true);
    }
}
