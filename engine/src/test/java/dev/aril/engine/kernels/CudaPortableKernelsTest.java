package dev.aril.engine.kernels;

/** The products and the head that older GPUs run, on whichever there is. */
class CudaPortableKernelsTest extends CudaKernelsTest {
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
