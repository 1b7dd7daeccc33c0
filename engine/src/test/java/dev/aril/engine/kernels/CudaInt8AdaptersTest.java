package dev.aril.engine.kernels;

/** Adapters kept in INT8, whose updates may lose a fiftieth, and a head in bf16 throughout. */
class CudaInt8AdaptersTest extends CudaKernelsTest {
    @Override
    double layerTolerance() {
        return 0x1p-5;
    }

    /** Two matrices of an adapter may lose a fiftieth each. */
    @Override
    double quantizedTolerance() {
        return 6e-2;
    }

    @Override
    Kernels kernels() {
        return new CudaKernels(1L << 30, AdapterPrecision.INT8, true);
    }
}
