package dev.aril.engine;

/**
 * How large an engine is. Where 0 leaves a size to the engine, it follows the device.
 *
 * @param tokenBudget rows a step computes at most, prefill and decode together; 0 takes 2048 on a
 *     GPU and 256 on the CPU
 * @param maxSequences sequences running at once at most; 0 takes 256 on a GPU and 64 on the CPU
 * @param maxWaiting sequences waiting at most; one more is {@link EngineOverloaded}
 * @param kvBytes bytes of KV cache; 0 takes what weights, adapters and a reserve leave of a GPU's
 *     memory, and 256 MiB on the CPU
 * @param adapterBytes bytes of resident adapters, the least recently used are evicted; 0 takes an
 *     eighth of a GPU's memory, and 256 MiB on the CPU
 * @param threads CPU threads of the kernels; 0 takes all cores
 */
public record EngineSettings(
        int tokenBudget,
        int maxSequences,
        int maxWaiting,
        long kvBytes,
        long adapterBytes,
        int threads) {
    private static final long CPU_BYTES = 256L << 20;

    public static EngineSettings defaults() {
        return new EngineSettings(0, 0, 1024, 0, 0, 0);
    }

    /**
     * These, with all that follows the device filled in but a GPU's KV cache: what is left for it
     * is known when the weights are there.
     *
     * @param deviceBytes a GPU's memory
     */
    EngineSettings on(Device device, long deviceBytes) {
        boolean gpu = device == Device.CUDA;
        int rows = tokenBudget == 0 ? gpu ? 2048 : 256 : tokenBudget;
        return new EngineSettings(
                rows,
                maxSequences == 0 ? Math.min(gpu ? 256 : 64, rows) : maxSequences,
                maxWaiting,
                kvBytes == 0 && !gpu ? CPU_BYTES : kvBytes,
                adapterBytes == 0 ? gpu ? deviceBytes / 8 : CPU_BYTES : adapterBytes,
                threads);
    }
}
