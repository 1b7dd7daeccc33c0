package dev.aril.engine.kernels;

class CpuMatricesTest extends MatricesContract {
    @Override
    Matrices matrices() {
        return new CpuMatrices(2);
    }
}
