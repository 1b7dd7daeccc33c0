package dev.aril.engine;

/** What a generation tells its subscriber: any number of {@link Text}, then one of the others. */
public sealed interface GenerationEvent {
    /**
     * The next piece of text, never empty, never half a character.
     *
     * @param tokens how many sampled ids this event accounts for (an id whose text is held back is
     *     counted by the event that releases it)
     */
    record Text(String text, int tokens) implements GenerationEvent {}

    /** The generation ended as asked. */
    record Finished(FinishReason reason, Usage usage) implements GenerationEvent {}

    /**
     * The engine could not go on; what was sent so far stands.
     *
     * @param message fit for the client's eyes
     */
    record Failed(String message, Usage usage) implements GenerationEvent {}
}
