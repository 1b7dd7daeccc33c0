package dev.aril.engine;

import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.Kernels;

class AdapterTrafficOnCpuTest extends AdapterTraffic {
    @Override
    Kernels kernels() {
        return new CpuKernels(0);
    }
}
