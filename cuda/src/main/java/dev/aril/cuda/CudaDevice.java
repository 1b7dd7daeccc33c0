package dev.aril.cuda;

/** The GPU this process may use, or why there is none. Asked of the driver once per process. */
public sealed interface CudaDevice {
    /** The oldest compute capability the kernels are compiled for: Ampere, 8.0. */
    int OLDEST_MAJOR = 8;

    /**
     * A device the kernels can run on.
     *
     * @param ordinal its number among the visible devices ({@code CUDA_VISIBLE_DEVICES} counts)
     * @param name for example {@code NVIDIA H200}
     * @param major compute capability before the dot, at least {@link #OLDEST_MAJOR}
     * @param minor compute capability after the dot
     * @param memoryBytes all of its memory
     * @param driverVersion the CUDA version the driver speaks, 13000 for 13.0
     */
    record Usable(
            int ordinal, String name, int major, int minor, long memoryBytes, int driverVersion)
            implements CudaDevice {}

    /**
     * There is no device, or none that would do.
     *
     * @param reason one line for the operator's eyes
     */
    record Unusable(String reason) implements CudaDevice {}

    /**
     * The first visible device. Never throws: a machine without a driver is an {@link Unusable}.
     * The answer never changes while the process lives, because the driver's would not either.
     */
    static CudaDevice first() {
        return DriverProbe.ANSWER;
    }
}
