package dev.aril.engine;

/** What computes. */
public enum Device {
    /** The first visible NVIDIA GPU. */
    CUDA,
    /** All cores, vectorized. */
    CPU,
    /**
     * Plain loops on one thread: the oracle of tests and the baseline of benchmarks, not for
     * serving.
     */
    REFERENCE
}
