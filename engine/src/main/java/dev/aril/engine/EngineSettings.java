package dev.aril.engine;

/**
 * How large an engine is.
 *
 * @param tokenBudget rows a step computes at most, prefill and decode together
 * @param maxSequences sequences running at once at most
 * @param maxWaiting sequences waiting at most; one more is {@link EngineOverloaded}
 * @param kvBytes bytes of KV cache
 * @param adapterBytes bytes of resident adapters; the least recently used are evicted
 * @param threads CPU threads of the kernels; 0 takes all cores
 */
public record EngineSettings(
        int tokenBudget,
        int maxSequences,
        int maxWaiting,
        long kvBytes,
        long adapterBytes,
        int threads) {
    public static EngineSettings defaults() {
        return new EngineSettings(256, 64, 1024, 256L << 20, 256L << 20, 0);
    }
}
