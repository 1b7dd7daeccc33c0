package dev.aril.api;

import java.util.function.Consumer;
import java.util.function.Function;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;

/**
 * An answer on its way to several clients, each of which hears it from its beginning. It is made
 * whether anybody listens or not.
 */
final class Recording {
    /** What is longer is not kept. */
    static final int MOST_CHARACTERS = 16 << 20;

    private final Reply reply;
    private final Sinks.Many<String> frames = Sinks.many().replay().all();
    private final StringBuilder text = new StringBuilder();

    /** The answer is whole, and billed. */
    private volatile boolean whole;

    Recording(Reply reply) {
        this.reply = reply;
    }

    Flux<String> frames() {
        return frames.asFlux();
    }

    /**
     * @param keep takes the whole text before its last frame is passed on
     * @param over called when nothing more comes, with whether the answer is whole
     */
    void begin(Function<String, Mono<Boolean>> keep, Consumer<Boolean> over) {
        reply.frames()
                .concatMap(frame -> {
                    if (text.length() <= MOST_CHARACTERS) {
                        text.append(frame);
                    }
                    whole = !reply.stream() || frame.equals(TokenStream.DONE);
                    return whole ? keep.apply(text.toString()).thenReturn(frame) : Mono.just(frame);
                })
                .doFinally(signal -> {
                    over.accept(whole);
                    reply.abandon().run();
                })
                .subscribe(
                        frame -> frames.emitNext(frame, Sinks.EmitFailureHandler.FAIL_FAST),
                        frames::tryEmitError,
                        frames::tryEmitComplete);
    }
}
