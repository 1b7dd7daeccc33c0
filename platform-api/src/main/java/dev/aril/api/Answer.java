package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.engine.FinishReason;
import dev.aril.engine.GenerationEvent.Failed;
import dev.aril.engine.GenerationEvent.Finished;
import dev.aril.engine.GenerationEvent.Prompt;
import dev.aril.engine.GenerationEvent.Text;
import dev.aril.engine.TokenLogprobs;
import dev.aril.engine.Usage;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import reactor.core.publisher.Mono;

/** A request's events as one JSON body, which is there when all of them are. */
final class Answer {
    private final List<Collected> choices = new ArrayList<>();
    private @Nullable Usage usage;

    private Answer(int count) {
        for (int i = 0; i < count; i++) {
            choices.add(new Collected());
        }
    }

    /** The body's text. */
    static Mono<String> of(GenerationCall call, WireFormat wire, Engine engine) {
        return call.events()
                .collect(() -> new Answer(call.choices()), Answer::add)
                .map(answer -> answer.text(wire, engine));
    }

    private void add(CallEvent event) {
        switch (event) {
            case CallEvent.Piece piece -> choices.get(piece.choice()).add(piece);
            case CallEvent.Settled settled -> usage = settled.usage();
        }
    }

    private String text(WireFormat wire, Engine engine) {
        if (usage == null) {
            throw new GenerationFailed("The generation ended without a reason.");
        }
        List<WireFormat.Choice> whole = new ArrayList<>();
        for (Collected choice : choices) {
            whole.add(choice.whole(wire.logprobs(whole.size(), engine)));
        }
        return Json.text(wire.whole(whole, usage));
    }

    private static final class Collected {
        private final StringBuilder text = new StringBuilder();
        private final List<TokenLogprobs> logprobs = new ArrayList<>();
        private @Nullable FinishReason end;

        void add(CallEvent.Piece piece) {
            switch (piece.event()) {
                case Prompt prompt -> logprobs.addAll(prompt.tokens());
                case Text more -> {
                    text.append(more.text());
                    logprobs.addAll(more.logprobs());
                }
                case Finished finished -> end = finished.reason();
                case Failed failed -> throw new GenerationFailed(failed.message());
            }
        }

        WireFormat.Choice whole(LogprobFormat format) {
            if (end == null) {
                throw new GenerationFailed("A choice ended without a reason.");
            }
            return new WireFormat.Choice(
                    text.toString(), logprobs.isEmpty() ? null : format.of(logprobs), end);
        }
    }
}
