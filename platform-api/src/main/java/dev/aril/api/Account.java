package dev.aril.api;

import dev.aril.tenancy.Reservation;
import dev.aril.tenancy.Settlement;
import dev.aril.tenancy.UsageEvent;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One request's account with the tenant's quota: opened by a reservation, closed exactly once. */
final class Account {
    private static final Logger LOG = LoggerFactory.getLogger(Account.class);

    private final Spending spending;
    private final Reservation reservation;
    private final Instant acceptedAt;
    private final Duration patience;
    private final AtomicBoolean noting = new AtomicBoolean();
    private final CompletableFuture<Void> closed = new CompletableFuture<>();

    /**
     * @param acceptedAt when the request was accepted, by this machine's clock
     * @param patience how long a caller waits for a settlement
     */
    Account(Spending spending, Reservation reservation, Instant acceptedAt, Duration patience) {
        this.spending = spending;
        this.reservation = reservation;
        this.acceptedAt = acceptedAt;
        this.patience = patience;
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
        return spending.checkpoint(reservation, soFar)
                .handle((held, failure) -> {
                    noting.set(false);
                    // the next one tells; until then the note before stands
                    return failure != null || held;
                });
    }

    /**
     * Writes the ledger's row. Where that takes too long the caller is told so, and it is tried on:
     * what was spent is owed.
     */
    CompletableFuture<Settlement> settle(UsageEvent event) {
        CompletableFuture<Settlement> settled = spending.settle(reservation, event);
        settled.whenComplete((done, failure) -> {
            if (failure != null) {
                // all that is needed to write the row by hand
                LOG.error("not in the ledger: {}", event, failure);
            }
            closed.complete(null);
        });
        return settled.copy().orTimeout(patience.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Lets go of the reservation: nothing was made, and nothing is owed. */
    CompletableFuture<Void> cancel() {
        return spending.cancel(reservation)
                .whenComplete((done, failure) -> {
                    if (failure != null) {
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
