package dev.aril.tenancy;

import java.util.concurrent.CompletableFuture;

/**
 * May this be spent? Exact over all processes that share the database.
 *
 * <p>A generation is {@linkplain #reserve reserved} before the engine sees it, and then either
 * {@linkplain #settle settled} or {@linkplain #cancel cancelled}. No call blocks; futures complete
 * on virtual threads, exceptionally with {@link QuotaUnavailable} when the database does not
 * answer: then nothing was admitted, and a settlement is to be tried again.
 */
public final class Quota {
    /**
     * Holds a place and tokens under all limits of the tenant, the key and the adapter, or none of
     * them.
     */
    public CompletableFuture<Admission> reserve(ReserveRequest request) {
        throw new UnsupportedOperationException();
    }

    /**
     * Writes the ledger's row, counts what was spent and lets go of the rest, in one transaction
     * that is durable when the future completes. A second time changes nothing. The event may hold
     * more than was reserved: it was spent.
     */
    public CompletableFuture<Settlement> settle(Reservation reservation, UsageEvent event) {
        throw new UnsupportedOperationException();
    }

    /**
     * Notes what a long generation has spent so far, so that it is owed even if this process dies.
     *
     * @return false if the reservation is gone, because this process was taken for dead: the
     *     generation must end, and be settled
     */
    public CompletableFuture<Boolean> checkpoint(Reservation reservation, UsageEvent soFar) {
        throw new UnsupportedOperationException();
    }

    /** Lets go of everything: the engine made nothing, and nothing is owed. */
    public CompletableFuture<Void> cancel(Reservation reservation) {
        throw new UnsupportedOperationException();
    }

    /**
     * Asks whether one more adapter fits; to be called in the transaction that writes its row,
     * before that. Other adapters of the tenant wait until it ends. Blocks on SQL.
     *
     * @throws QuotaExceeded if it does not
     */
    public void admitAdapter(TenantId tenant, long bytes) {
        throw new UnsupportedOperationException();
    }
}
