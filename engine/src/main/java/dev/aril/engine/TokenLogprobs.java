package dev.aril.engine;

/**
 * How likely the model held a token, and what it held most likely in its place: natural logarithms
 * of the softmax over the model's own logits, before biases, penalties and temperature, as OpenAI's
 * and vLLM's interfaces define them. So they do not depend on how the token was chosen.
 *
 * @param id the token
 * @param logprob NaN for a prompt's first token, which nothing precedes
 * @param topIds [0..{@link SamplingParams#MOST_LOGPROBS}] the most likely ids, the likeliest first,
 *     of equal ones the lower first; the token itself is among them only where it belongs
 * @param topLogprobs an entry for each
 */
public record TokenLogprobs(int id, float logprob, int[] topIds, float[] topLogprobs) {
    private static final int[] NO_IDS = {};
    private static final float[] NO_LOGPROBS = {};

    public TokenLogprobs {
        if (topIds.length != topLogprobs.length) {
            throw new IllegalArgumentException(
                    topIds.length + " ids with " + topLogprobs.length + " logprobs");
        }
    }

    /** A prompt's first token. */
    public static TokenLogprobs first(int id) {
        return new TokenLogprobs(id, Float.NaN, NO_IDS, NO_LOGPROBS);
    }

    /**
     * By the definition, in double.
     *
     * @param logits row-major
     * @param offset where the row of [vocabulary] begins
     * @param id the token
     * @param top how many of the most likely ids are wanted
     */
    public static TokenLogprobs of(float[] logits, int offset, int vocabulary, int id, int top) {
        int count = Math.min(top, vocabulary);
        int[] ids = new int[count];
        float[] scores = new float[count];
        int found = 0;
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < vocabulary; i++) {
            float score = logits[offset + i];
            max = Math.max(max, score);
            if (found < count || (count > 0 && score > scores[count - 1])) {
                int at = Math.min(found, count - 1);
                while (at > 0 && score > scores[at - 1]) {
                    ids[at] = ids[at - 1];
                    scores[at] = scores[at - 1];
                    at--;
                }
                ids[at] = i;
                scores[at] = score;
                found = Math.min(found + 1, count);
            }
        }
        double sum = 0;
        for (int i = 0; i < vocabulary; i++) {
            sum += Math.exp((double) logits[offset + i] - max);
        }
        // the distance first, lest a large logit swallows the sum
        double total = Math.log(sum);
        for (int i = 0; i < count; i++) {
            scores[i] = (float) ((double) scores[i] - max - total);
        }
        float own = (float) ((double) logits[offset + id] - max - total);
        return new TokenLogprobs(id, own, ids, scores);
    }
}
