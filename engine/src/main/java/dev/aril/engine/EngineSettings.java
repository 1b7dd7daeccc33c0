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
 * @param int8Adapters whether a GPU keeps adapters in INT8 instead of bf16; one whose updates that
 *     would change by more than 2 % stays in bf16
 * @param bf16Head whether a GPU keeps the output head in bf16 and not in INT8 with a scale a row
 */
public record EngineSettings(
        int tokenBudget,
        int maxSequences,
        int maxWaiting,
        long kvBytes,
        long adapterBytes,
        int threads,
        boolean int8Adapters,
        boolean bf16Head) {
    private static final long CPU_BYTES = 256L << 20;

    /** As the other, with adapters in bf16 and the head in INT8. */
    public EngineSettings(
            int tokenBudget,
            int maxSequences,
            int maxWaiting,
            long kvBytes,
            long adapterBytes,
            int threads) {
        this(tokenBudget, maxSequences, maxWaiting, kvBytes, adapterBytes, threads, false, false);
    }

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
                threads,
                int8Adapters,
                bf16Head);
    }
}
