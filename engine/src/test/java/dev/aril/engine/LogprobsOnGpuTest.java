package dev.aril.engine;

import org.junit.jupiter.api.Tag;

@Tag("gpu")
class LogprobsOnGpuTest extends LogprobsOnModel {
    @Override
    Device device() {
        return Device.CUDA;
    }

    @Override
    void needed() {
        Gpu.isNeeded();
    }
}
