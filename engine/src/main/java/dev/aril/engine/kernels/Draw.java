package dev.aril.engine.kernels;

/**
 * How the next id of one row is chosen from its logits; the parameters are those of {@link
 * dev.aril.engine.SamplingParams}. The arrays are not copies: they are good until the step's ids
 * are booked.
 *
 * @param temperature 0 takes the highest
 * @param seed the generator's key
 * @param position the generator's counter: ids the sequence has sampled so far
 * @param ids different ids of prompt and completion, in any order; empty without penalties
 * @param counts [ids] how often the completion holds each
 */
public record Draw(
        double temperature,
        double topP,
        double minP,
        int topK,
        long seed,
        long position,
        double repetition,
        double presence,
        double frequency,
        int[] ids,
        int[] counts) {}
