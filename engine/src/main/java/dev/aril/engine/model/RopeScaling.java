package dev.aril.engine.model;

/** How a model stretches its rotary frequencies beyond the context it was first trained on. */
public sealed interface RopeScaling {
    /** Not at all. */
    record None() implements RopeScaling {}

    /** Positions are divided by the factor (arXiv 2306.15595). */
    record Linear(double factor) implements RopeScaling {}

    /**
     * The base grows with the length of the sequence, once it is longer than the original context.
     */
    record Dynamic(double factor, int originalContext) implements RopeScaling {}

    /**
     * Llama 3.1's: frequencies whose wavelength is long are divided by the factor, those whose
     * wavelength is short are kept, those between are mixed.
     *
     * @param low wavelengths above originalContext / low are long
     * @param high wavelengths below originalContext / high are short
     */
    record Llama3(double factor, double low, double high, int originalContext)
            implements RopeScaling {}

    RopeScaling NONE = new None();
}
