package dev.aril.engine;

/** Why a generation ended by itself. */
public enum FinishReason {
    /** An end-of-sequence token, a stop id or a stop string. */
    STOP,
    /** {@code maxTokens} or the context's end. */
    LENGTH
}
