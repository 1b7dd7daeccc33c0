package dev.aril.api;

import java.time.Duration;

/** A generation took longer than it may, for its first token or between two. */
final class GenerationStalled extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final boolean silent;

    /**
     * @param silent whether nothing was generated at all
     */
    GenerationStalled(boolean silent, Duration limit) {
        super(
                silent
                        ? "No token came within " + limit.toSeconds() + " s."
                        : "No further token came within " + limit.toSeconds() + " s.");
        this.silent = silent;
    }

    boolean silent() {
        return silent;
    }
}
