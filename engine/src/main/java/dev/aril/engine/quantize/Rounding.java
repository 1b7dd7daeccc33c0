package dev.aril.engine.quantize;

/**
 * How a recipe's weights are rounded.
 *
 * @param clip the INT4 range covers this share of a group's largest magnitude
 * @param searched whether each row's group takes the share, of several, with which it loses least;
 *     {@code clip} is one of them
 * @param gptq whether the columns that are left make up for the error of those that are rounded
 *     (arXiv 2210.17323), the INT8 columns last
 * @param fitted whether the weights are first fitted to inputs that carry their rounding's noise
 */
public record Rounding(float clip, boolean searched, boolean gptq, boolean fitted) {
    /** Shares that are tried. */
    private static final float[] SHARES = {1, 0.96f, 0.92f, 0.88f, 0.84f, 0.8f, 0.75f, 0.7f};

    static final Rounding TO_NEAREST = new Rounding(1, false, false, false);
    static final Rounding BEST = new Rounding(0.9f, true, true, true);

    /** Atom's own (arXiv 2310.19102). */
    static final Rounding ATOM = new Rounding(0.85f, false, true, false);

    static Rounding of(String recipe) {
        return recipe.equals("atom") ? ATOM : BEST;
    }

    /** The shares to try, the fallback first. */
    float[] clips() {
        if (!searched) {
            return new float[] {clip};
        }
        float[] clips = new float[SHARES.length + 1];
        clips[0] = clip;
        System.arraycopy(SHARES, 0, clips, 1, SHARES.length);
        return clips;
    }
}
