package dev.aril.engine;

import java.util.List;

/**
 * What a generation tells its subscriber: where it was asked for {@link Prompt}, any number of
 * {@link Text}, then one of the others.
 */
public sealed interface GenerationEvent {
    /**
     * The prompt's logprobs, if {@link SamplingParams#promptLogprobs} asked for them.
     *
     * @param tokens all of the prompt
     */
    record Prompt(List<TokenLogprobs> tokens) implements GenerationEvent {}

    /**
     * The next piece of text, never half a character, and never empty but where tokens without text
     * owe their logprobs.
     *
     * @param tokens how many sampled ids this event accounts for (an id whose text is held back is
     *     counted by the event that releases it)
     * @param logprobs of these ids, if they were asked for; else empty
     */
    record Text(String text, int tokens, List<TokenLogprobs> logprobs) implements GenerationEvent {
        public Text {
            logprobs = List.copyOf(logprobs);
        }

        /** Without logprobs. */
        public Text(String text, int tokens) {
            this(text, tokens, List.of());
        }
    }

    /** The generation ended as asked. */
    record Finished(FinishReason reason, Usage usage) implements GenerationEvent {}

    /**
     * The engine could not go on; what was sent so far stands.
     *
     * @param message fit for the client's eyes
     */
    record Failed(String message, Usage usage) implements GenerationEvent {}
}
