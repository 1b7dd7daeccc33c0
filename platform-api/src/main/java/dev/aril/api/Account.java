package dev.aril.api;

import dev.aril.tenancy.Quota;
import dev.aril.tenancy.QuotaUnavailable;
import dev.aril.tenancy.Reservation;
import dev.aril.tenancy.UsageEvent;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One request's account with the tenant's quota: opened by a reservation, closed exactly once. */
final class Account {
    private static final Logger LOG = LoggerFactory.getLogger(Account.class);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(50);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(2);

    private final Quota quota;
    private final Reservation reservation;
    private final Instant acceptedAt;
    private final Duration patience;
    private final Executor executor;
    private final AtomicBoolean noting = new AtomicBoolean();
    private final CompletableFuture<Void> closed = new CompletableFuture<>();

    /**
     * @param acceptedAt when the request was accepted, by this machine's clock
     * @param patience how long a caller waits for a settlement that fails and is tried again
     * @param executor runs later tries
     */
    Account(
            Quota quota,
            Reservation reservation,
            Instant acceptedAt,
            Duration patience,
            Executor executor) {
        this.quota = quota;
        this.reservation = reservation;
        this.acceptedAt = acceptedAt;
        this.patience = patience;
        this.executor = executor;
    }

    Instant acceptedAt() {
        return acceptedAt;
    }

    Reservation reservation() {
        return reservation;
    }

    /** Notes what a long generation has spent so far; false if it must end. */
    CompletableFuture<Boolean> checkpoint(UsageEvent soFar) {
        if (soFar.tokens() == 0 || !noting.compareAndSet(false, true)) {
            return CompletableFuture.completedFuture(true);
        }
        return quota.checkpoint(reservation, soFar)
                .handle((held, failure) -> {
                    noting.set(false);
                    // the next one tells; until then the note before stands
                    return failure != null || held;
                });
    }

    /**
     * Writes the ledger's row. If the database does not answer it is tried again, and goes on being
     * tried when the caller has been told that it failed: what was spent is owed.
     */
    CompletableFuture<Void> settle(UsageEvent event) {
        CompletableFuture<Void> told = new CompletableFuture<>();
        attempt(event, FIRST_PAUSE, System.nanoTime() + patience.toNanos(), told);
        return told;
    }

    private void attempt(
            UsageEvent event, Duration pause, long deadline, CompletableFuture<Void> told) {
        quota.settle(reservation, event)
                .whenComplete((done, failure) -> {
                    if (failure == null) {
                        told.complete(null);
                        closed.complete(null);
                    } else if (!(cause(failure) instanceof QuotaUnavailable)) {
                        // all that is needed to write the row by hand
                        LOG.error("not in the ledger: {}", event, failure);
                        told.completeExceptionally(cause(failure));
                        closed.complete(null);
                    } else {
                        if (System.nanoTime() > deadline && !told.isDone()) {
                            LOG.error("not in the ledger yet: {}", event, failure);
                            told.completeExceptionally(cause(failure));
                        }
                        CompletableFuture.delayedExecutor(
                                        pause.toMillis(), TimeUnit.MILLISECONDS, executor)
                                .execute(() -> attempt(event, longer(pause), deadline, told));
                    }
                });
    }

    private static Throwable cause(Throwable failure) {
        Throwable cause = failure.getCause();
        return failure instanceof java.util.concurrent.CompletionException && cause != null
                ? cause
                : failure;
    }

    private static Duration longer(Duration pause) {
        Duration twice = pause.multipliedBy(2);
        return twice.compareTo(LONGEST_PAUSE) < 0 ? twice : LONGEST_PAUSE;
    }

    /** Lets go of the reservation: nothing was made, and nothing is owed. */
    CompletableFuture<Void> cancel() {
        return quota.cancel(reservation)
                .whenComplete((done, failure) -> {
                    if (failure != null) {
                        // its lease ends by itself
                        LOG.warn("a reservation was not cancelled: {}", failure.toString());
                    }
                    closed.complete(null);
                });
    }

    /** Completes when nothing more is to be written. */
    CompletableFuture<Void> closed() {
        return closed;
    }
}
