package dev.aril.engine;

class LogprobsOnCpuTest extends LogprobsOnModel {
    @Override
    Device device() {
        return Device.CPU;
    }

    @Override
    void needed() {
        // always there
    }
}
