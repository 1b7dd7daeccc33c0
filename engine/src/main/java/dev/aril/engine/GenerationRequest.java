package dev.aril.engine;

import org.jspecify.annotations.Nullable;

/**
 * One sequence to generate.
 *
 * @param id the caller's, unique among running generations
 * @param flow opaque key among which the scheduler is fair
 * @param prompt token ids, at least one; the record owns the array
 * @param adapter null for the base model
 */
public record GenerationRequest(
        String id,
        String flow,
        int[] prompt,
        @Nullable AdapterRef adapter,
        SamplingParams sampling) {}
