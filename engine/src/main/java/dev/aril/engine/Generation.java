package dev.aril.engine;

import java.time.Instant;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;

/**
 * A running generation. Publishes its events once, to one subscriber, as it asks for them; a slow
 * subscriber holds back nobody but itself. {@link #close} or cancelling the subscription ends the
 * generation within one engine step and frees its KV blocks.
 */
public interface Generation extends Flow.Publisher<GenerationEvent>, AutoCloseable {
    /** The request's id. */
    String id();

    /**
     * Completes with the final usage when the engine has let go of the sequence, however it ended:
     * finished, failed or cancelled. Never completes exceptionally.
     */
    CompletionStage<Usage> usage();

    /** When the engine began to compute it; null before that, and if it never did. */
    @Nullable Instant scheduledAt();

    /** Cancels if still running; idempotent. */
    @Override
    void close();
}
