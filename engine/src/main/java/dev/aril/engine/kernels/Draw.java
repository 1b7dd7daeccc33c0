package dev.aril.engine.kernels;

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
 * @param ids [n] the ids that penalties are for, each once, in any order
 * @param counts [n] how often the completion holds each; 0 where only the prompt does
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
        int[] counts) {
    private static final int[] NONE = {};

    public Draw {
        if (ids.length != counts.length) {
            throw new IllegalArgumentException(
                    ids.length + " ids with " + counts.length + " counts");
        }
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
