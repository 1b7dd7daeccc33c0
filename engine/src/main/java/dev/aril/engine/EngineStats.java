package dev.aril.engine;

import java.util.List;

/**
 * A snapshot of the engine's books; counters only grow.
 *
 * @param steps steps run, by how many different adapters their batch held: index 0 counts steps of
 *     the base model alone, the last index that many or more
 * @param promptTokens rows computed for prompts
 * @param completionTokens ids sampled
 * @param hostNanos time in which the device waited for the host: an id's way into the books, the
 *     choice of the next step and its launch, over all steps
 * @param deviceNanos time in which the host waited for the device, over all steps
 * @param waiting sequences not yet admitted
 * @param running sequences with KV blocks
 * @param kvBlocks all KV blocks
 * @param kvBlocksFree of them free
 * @param kvBlockTokens positions a block holds
 * @param residentAdapters digests of the adapters in the device's memory
 * @param adapterBytes bytes these take
 * @param adapterLoads adapters put into the device's memory: cold ones that a request waited for
 */
public record EngineStats(
        List<Long> steps,
        long promptTokens,
        long completionTokens,
        long hostNanos,
        long deviceNanos,
        int waiting,
        int running,
        int kvBlocks,
        int kvBlocksFree,
        int kvBlockTokens,
        List<String> residentAdapters,
        long adapterBytes,
        long adapterLoads) {}
