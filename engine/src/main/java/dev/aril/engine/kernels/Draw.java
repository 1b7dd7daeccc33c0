package dev.aril.engine.kernels;

import dev.aril.engine.SamplingParams;
import java.util.List;

/**
 * How one row's next id is chosen, see {@link Sampler}.
 *
 * @param temperature 0 is greedy
 * @param topP above 0, at most 1
 * @param minP 0 to 1
 * @param topK 0 keeps all
 * @param seed of the draw, with {@code position}: the same two draw the same from the same logits
 * @param repetition divides positive and multiplies other scores of all {@code ids}; 1 is none
 * @param presence taken from the scores of ids with a count
 * @param frequency taken from them as often as they count
 * @param ids [n] the ids that biases and penalties are for, each once
 * @param counts [n] how often the completion holds each; 0 where only the prompt does, -1 where
 *     neither does
 * @param biases [0..n] added to the scores of the first of the ids, before anything else
 * @param top how many of the most likely ids are wanted with their logprobs, beside the chosen
 *     one's; {@link #NOT_SCORED} if none are, not even that
 * @param given the id, where nothing is drawn and only logprobs are wanted; else {@link #DRAWN}
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
        int[] counts,
        float[] biases,
        int top,
        int given) {
    public static final int NOT_SCORED = -1;
    public static final int DRAWN = -1;

    private static final int[] NONE = {};
    private static final float[] NO_BIASES = {};

    public Draw {
        if (ids.length != counts.length || biases.length > ids.length) {
            throw new IllegalArgumentException(
                    ids.length
                            + " ids with "
                            + counts.length
                            + " counts and "
                            + biases.length
                            + " biases");
        }
        if (top > SamplingParams.MOST_LOGPROBS) {
            throw new IllegalArgumentException(
                    "top must be at most " + SamplingParams.MOST_LOGPROBS + ", not " + top);
        }
    }

    /** Without biases and logprobs. */
    public Draw(
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
            int[] counts) {
        this(
                temperature,
                topP,
                minP,
                topK,
                seed,
                position,
                repetition,
                presence,
                frequency,
                ids,
                counts,
                NO_BIASES,
                NOT_SCORED,
                DRAWN);
    }

    /** An id that is not drawn, for its logprobs. */
    public static Draw given(int id, int top) {
        return new Draw(0, 1, 0, 0, 0, 0, 1, 0, 0, NONE, NONE, NO_BIASES, top, id);
    }

    /** The same, with other wishes for logprobs. */
    Draw with(int top) {
        return new Draw(
                temperature,
                topP,
                minP,
                topK,
                seed,
                position,
                repetition,
                presence,
                frequency,
                ids,
                counts,
                biases,
                top,
                given);
    }

    /** Whether logprobs are wanted. */
    boolean scored() {
        return top >= 0;
    }

    /** Whether any of these wants logprobs. */
    static boolean scored(List<Draw> draws) {
        for (Draw draw : draws) {
            if (draw.scored()) {
                return true;
            }
        }
        return false;
    }

    /** The most likely id. */
    public static Draw greedy() {
        return new Draw(0, 1, 0, 0, 0, 0, 1, 0, 0, NONE, NONE);
    }

    /** What distances between scores are multiplied by; 0 for greedy. */
    double inverse() {
        return temperature == 0 ? 0 : Math.min(1 / temperature, Double.MAX_VALUE);
    }

    /** The least weight that {@code minP} keeps, of {@link Sampler#ONE} for the best id. */
    long least() {
        return Math.max(1, (long) Math.ceil(minP * Sampler.ONE));
    }
}
