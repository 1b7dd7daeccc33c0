package dev.aril.engine;

import dev.aril.engine.text.Detokenizer;
import dev.aril.engine.text.StopStrings;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A sequence's sampled ids as text: detokenized, cut at the first stop string. */
final class Transcript {
    private final Detokenizer detokenizer;
    private final StopStrings stops;

    /** Ids whose text no event has accounted for yet. */
    private int unsent;

    /** Of these ids, where they were asked for. */
    private final List<TokenLogprobs> logprobs = new ArrayList<>();

    Transcript(Detokenizer detokenizer, StopStrings stops) {
        this.detokenizer = detokenizer;
        this.stops = stops;
    }

    /** Text that this id releases; null if none. */
    GenerationEvent.@Nullable Text accept(int id, @Nullable TokenLogprobs scored) {
        unsent++;
        if (scored != null) {
            logprobs.add(scored);
        }
        return event(stops.accept(detokenizer.accept(id)));
    }

    /** An id without text ends the generation: its own text is not part of the answer. */
    void skip() {
        unsent++;
    }

    /** What was held back, at the end; null if nothing. */
    GenerationEvent.@Nullable Text finish() {
        String text = stops.accept(detokenizer.finish());
        String rest = stops.found() ? text : text + stops.finish();
        // ids without text, as an end id that ends nothing, still owe their logprobs
        return rest.isEmpty() && !logprobs.isEmpty() && !stops.found() ? release("") : event(rest);
    }

    /** Whether a stop string has ended the text. */
    boolean stopped() {
        return stops.found();
    }

    private GenerationEvent.@Nullable Text event(String text) {
        return text.isEmpty() ? null : release(text);
    }

    private GenerationEvent.Text release(String text) {
        int tokens = unsent;
        unsent = 0;
        List<TokenLogprobs> scored = List.copyOf(logprobs);
        logprobs.clear();
        return new GenerationEvent.Text(text, tokens, scored);
    }
}
