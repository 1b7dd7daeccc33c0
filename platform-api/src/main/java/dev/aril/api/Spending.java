package dev.aril.api;

import dev.aril.tenancy.Admission;
import dev.aril.tenancy.Bearer;
import dev.aril.tenancy.Reservation;
import dev.aril.tenancy.ReserveRequest;
import dev.aril.tenancy.Settlement;
import dev.aril.tenancy.UsageEvent;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * What the data plane asks of tenancy for each request: who is it, may it be spent, it was spent.
 * There is one of these in a server, {@link TenancySpending}; the other only serves to measure what
 * that one costs.
 */
public interface Spending {
    /**
     * Whoever presents a valid key. May block.
     *
     * @see dev.aril.tenancy.ApiKeys#identify
     */
    Optional<Bearer> identify(String presented);

    /**
     * @see dev.aril.tenancy.Quota#reserve
     */
    CompletableFuture<Admission> reserve(ReserveRequest request);

    /**
     * @see dev.aril.tenancy.Quota#checkpoint
     */
    CompletableFuture<Boolean> checkpoint(Reservation reservation, UsageEvent soFar);

    /**
     * @see dev.aril.tenancy.Quota#settle
     */
    CompletableFuture<Settlement> settle(Reservation reservation, UsageEvent event);

    /**
     * @see dev.aril.tenancy.Quota#cancel
     */
    CompletableFuture<Void> cancel(Reservation reservation);
}
