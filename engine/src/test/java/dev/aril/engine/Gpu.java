package dev.aril.engine;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.aril.engine.kernels.CudaKernels;

/** What tests tagged {@code gpu} begin with. */
public final class Gpu {
    private Gpu() {}

    /** Skips the tests, with the reason, where no GPU can be used. */
    public static void isNeeded() {
        assumeTrue(
                CudaKernels.unusable().isEmpty(),
                () -> "no GPU here: " + CudaKernels.unusable().orElse(""));
    }
}
