package dev.aril.api;

import dev.aril.api.IdempotentAnswers.Answered;
import dev.aril.api.IdempotentAnswers.Different;
import dev.aril.api.IdempotentAnswers.Found;
import dev.aril.api.IdempotentAnswers.Mine;
import dev.aril.api.IdempotentAnswers.Slot;
import dev.aril.api.IdempotentAnswers.UnderWay;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.stereotype.Component;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * The same request twice is one generation, and billed once: a duplicate of one under way hears the
 * same stream from its beginning, one of a finished one gets the same answer again.
 *
 * <p>An answer under a key is made to its end even if its client hangs up: it is there when that
 * asks again. A refusal or a failure is not kept.
 */
@Component
final class Idempotency implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Idempotency.class);
    private static final Duration RENEWAL = Duration.ofSeconds(10);

    /** Renewals between two sweeps: an hour. */
    private static final int SWEEP = 360;

    private static final Duration LOOK_AGAIN = Duration.ofMillis(100);

    private static final Map<String, String> REPLAYED = Map.of("idempotent-replayed", "true");

    private final IdempotentAnswers answers;
    private final DatabaseGuard database;
    private final Blocking blocking;

    /** What this process makes just now. */
    private final Map<Slot, Recording> recordings = new ConcurrentHashMap<>();

    private final Disposable renewals;

    Idempotency(IdempotentAnswers answers, DatabaseGuard database, Blocking blocking) {
        this.answers = answers;
        this.database = database;
        this.blocking = blocking;
        this.renewals =
                Flux.interval(RENEWAL)
                        .onBackpressureDrop()
                        .concatMap(tick -> blocking.call(() -> tend(tick)))
                        .subscribe();
    }

    private boolean tend(long tick) {
        try {
            if (!recordings.isEmpty()) {
                answers.renew();
            }
            if (tick % SWEEP == 0) {
                answers.sweep();
            }
        } catch (RuntimeException e) {
            LOG.warn("answers under idempotency keys were not tended: {}", e.toString());
        }
        return true;
    }

    /**
     * @param hash of the request, 32 bytes
     * @param streamed whether it asks for a stream
     * @param generationId for a new answer
     * @param make makes the answer under an id
     */
    Mono<Reply> once(
            Slot slot,
            byte[] hash,
            boolean streamed,
            String generationId,
            Function<String, Mono<Reply>> make) {
        // a client that goes away cuts nothing short: what was claimed is made
        return Mono.fromFuture(
                () -> claim(slot, hash, streamed, generationId, make).toFuture(), true);
    }

    private Mono<Reply> claim(
            Slot slot,
            byte[] hash,
            boolean streamed,
            String generationId,
            Function<String, Mono<Reply>> make) {
        return blocking.call(
                        () -> database.ask(() -> answers.claim(slot, hash, streamed, generationId)))
                .flatMap(found ->
                        switch (found) {
                            case Mine mine ->
                                    make.apply(mine.generationId())
                                            .map(reply -> record(slot, reply))
                                            .onErrorResume(error ->
                                                    blocking.call(() -> drop(slot))
                                                            .then(Mono.error(error)));
                            case Answered answered ->
                                    Mono.just(replay(streamed, Flux.just(answered.answer())));
                            case UnderWay underWay ->
                                    Mono.just(replay(streamed, follow(slot, hash, streamed)));
                            case Different different ->
                                    Mono.error(new Refusal(Problems.keyReused()));
                        });
    }

    private static Reply replay(boolean streamed, Flux<String> frames) {
        return new Reply(streamed, frames, REPLAYED, () -> {});
    }

    private Reply record(Slot slot, Reply reply) {
        Recording recording = new Recording(reply);
        recordings.put(slot, recording);
        recording.begin(
                text -> blocking.call(() -> keep(slot, text)),
                whole -> {
                    recordings.remove(slot);
                    if (!whole) {
                        blocking.start(() -> drop(slot));
                    }
                });
        return new Reply(reply.stream(), recording.frames(), reply.headers(), () -> {});
    }

    private boolean keep(Slot slot, String text) {
        try {
            if (text.length() <= Recording.MOST_CHARACTERS) {
                answers.keep(slot, text);
            } else {
                LOG.info("an answer of {} characters is not kept for replay", text.length());
                answers.drop(slot);
            }
        } catch (RuntimeException e) {
            // billed it is: who asks again when the lease is over has it made anew, under its id
            LOG.error("an answer under an idempotency key was not kept", e);
        }
        return true;
    }

    /** Frees the name, unless an answer is kept under it. */
    private boolean drop(Slot slot) {
        try {
            answers.drop(slot);
        } catch (RuntimeException e) {
            LOG.warn("an idempotency key was not freed: {}", e.toString());
        }
        return true;
    }

    /** The frames of an answer under way, here or elsewhere. */
    private Flux<String> follow(Slot slot, byte[] hash, boolean streamed) {
        Recording here = recordings.get(slot);
        if (here != null) {
            return here.frames();
        }
        Flux<String> again =
                Mono.delay(LOOK_AGAIN)
                        .then(blocking.call(() -> answers.look(slot, hash)))
                        .flatMapMany(found -> next(found, slot, hash, streamed));
        return streamed
                ? again.onErrorResume(
                        error -> Flux.just(TokenStream.data(Problems.of(error).body())))
                : again;
    }

    private Flux<String> next(Optional<Found> found, Slot slot, byte[] hash, boolean streamed) {
        return switch (found.orElse(null)) {
            case null -> Flux.error(new Refusal(Problems.originalFailed()));
            case Answered answered -> Flux.just(answered.answer());
            case Different different -> Flux.error(new Refusal(Problems.keyReused()));
            case Mine mine -> throw new IllegalStateException("a look takes nothing");
            case UnderWay underWay -> Flux.defer(() -> follow(slot, hash, streamed));
        };
    }

    @Override
    public void close() {
        renewals.dispose();
    }
}
