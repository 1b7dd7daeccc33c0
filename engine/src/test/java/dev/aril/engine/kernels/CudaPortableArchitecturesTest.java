package dev.aril.engine.kernels;

/** The products that older GPUs run, on whichever there is. */
class CudaPortableArchitecturesTest extends CudaArchitecturesTest {
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
