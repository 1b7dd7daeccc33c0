package dev.aril.commands;

import dev.aril.engine.AdapterSummary;
import dev.aril.engine.ChatMessage;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineState;
import dev.aril.engine.EngineStats;
import dev.aril.engine.FinishReason;
import dev.aril.engine.Generation;
import dev.aril.engine.GenerationEvent;
import dev.aril.engine.GenerationRequest;
import dev.aril.engine.ModelCard;
import dev.aril.engine.Token;
import dev.aril.engine.Usage;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** Answers with one word at once: what is left of a request's time is the platform's. */
final class InstantEngine implements Engine {
    private static final ModelCard CARD = new ModelCard("instant", "none", 4096, 256, 0);

    @Override
    public ModelCard model() {
        return CARD;
    }

    @Override
    public int[] tokenize(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length == 0
                ? new int[1]
                : new int[text.length()];
    }

    @Override
    public int[] tokenize(List<ChatMessage> messages) {
        return new int[8 * messages.size()];
    }

    @Override
    public String text(int[] ids) {
        return " ".repeat(ids.length);
    }

    @Override
    public Token token(int id) {
        return new Token(new byte[] {(byte) id}, true);
    }

    @Override
    public Generation submit(GenerationRequest request) {
        return new Word(request.id(), new Usage(request.prompt().length, 1));
    }

    @Override
    public AdapterSummary verify(Path folder) {
        throw new UnsupportedOperationException("this engine takes no adapters");
    }

    @Override
    public EngineStats stats() {
        return new EngineStats(List.of(0L), 0, 0, 0, 0, 0, 0, 1, 1, 1, List.of(), 0, 0);
    }

    @Override
    public EngineState state() {
        return EngineState.READY;
    }

    @Override
    public void close() {}

    private record Word(String id, Usage spent, Instant at) implements Generation {
        Word(String id, Usage spent) {
            this(id, spent, Instant.now());
        }

        @Override
        public CompletionStage<Usage> usage() {
            return CompletableFuture.completedFuture(spent);
        }

        @Override
        public Instant scheduledAt() {
            return at;
        }

        @Override
        public void subscribe(Flow.Subscriber<? super GenerationEvent> subscriber) {
            subscriber.onSubscribe(
                    new Flow.Subscription() {
                        private boolean said;

                        @Override
                        public void request(long more) {
                            if (!said) {
                                said = true;
                                subscriber.onNext(new GenerationEvent.Text("word", 1));
                                subscriber.onNext(
                                        new GenerationEvent.Finished(FinishReason.LENGTH, spent));
                                subscriber.onComplete();
                            }
                        }

                        @Override
                        public void cancel() {
                            said = true;
                        }
                    });
        }

        @Override
        public void close() {}
    }
}
