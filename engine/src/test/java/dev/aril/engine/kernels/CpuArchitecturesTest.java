package dev.aril.engine.kernels;

class CpuArchitecturesTest extends ArchitecturesContract {
    @Override
    Kernels kernels() {
        return new CpuKernels(2);
    }
}
