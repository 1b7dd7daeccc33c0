package dev.aril.engine.measure;

import dev.aril.engine.Engine;
import dev.aril.engine.Generation;
import dev.aril.engine.GenerationEvent;
import dev.aril.engine.GenerationRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;

/** Runs generations through the engine's door and waits for their texts. */
final class Streams {
    private Streams() {}

    /** Submits all at once; texts in the order of the requests. */
    static List<String> run(Engine engine, List<GenerationRequest> requests) {
        List<CompletableFuture<String>> texts = new ArrayList<>();
        for (GenerationRequest request : requests) {
            texts.add(text(engine.submit(request)));
        }
        return texts.stream().map(CompletableFuture::join).toList();
    }

    private static CompletableFuture<String> text(Generation generation) {
        CompletableFuture<String> whole = new CompletableFuture<>();
        StringBuilder text = new StringBuilder();
        generation.subscribe(
                new Flow.Subscriber<>() {
                    @Override
                    public void onSubscribe(Flow.Subscription subscription) {
                        subscription.request(Long.MAX_VALUE);
                    }

                    @Override
                    public void onNext(GenerationEvent event) {
                        switch (event) {
                            case GenerationEvent.Prompt unasked -> {}
                            case GenerationEvent.Text t -> text.append(t.text());
                            case GenerationEvent.Finished f -> whole.complete(text.toString());
                            case GenerationEvent.Failed f ->
                                    whole.completeExceptionally(
                                            new IllegalStateException(f.message()));
                        }
                    }

                    @Override
                    public void onError(Throwable error) {
                        whole.completeExceptionally(error);
                    }

                    @Override
                    public void onComplete() {}
                });
        return whole;
    }
}
