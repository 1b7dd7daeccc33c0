package dev.aril.engine;

import dev.aril.engine.text.Detokenizer;
import dev.aril.engine.text.StopStrings;
import org.jspecify.annotations.Nullable;

/** A sequence's sampled ids as text: detokenized, cut at the first stop string. */
final class Transcript {
    private final Detokenizer detokenizer;
    private final StopStrings stops;

    /** Ids whose text no event has accounted for yet. */
    private int unsent;

    Transcript(Detokenizer detokenizer, StopStrings stops) {
        this.detokenizer = detokenizer;
        this.stops = stops;
    }

    /** Text that this id releases; null if none. */
    GenerationEvent.@Nullable Text accept(int id) {
        unsent++;
        return event(stops.accept(detokenizer.accept(id)));
    }

    /** An id without text ends the generation: its own text is not part of the answer. */
    void skip() {
        unsent++;
    }

    /** Text that was held back, at the end; null if none. */
    GenerationEvent.@Nullable Text finish() {
        String text = stops.accept(detokenizer.finish());
        return event(stops.found() ? text : text + stops.finish());
    }

    /** Whether a stop string has ended the text. */
    boolean stopped() {
        return stops.found();
    }

    private GenerationEvent.@Nullable Text event(String text) {
        if (text.isEmpty()) {
            return null;
        }
        int tokens = unsent;
        unsent = 0;
        return new GenerationEvent.Text(text, tokens);
    }
}
