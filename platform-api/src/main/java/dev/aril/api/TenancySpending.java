package dev.aril.api;

import dev.aril.tenancy.Admission;
import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.Bearer;
import dev.aril.tenancy.Quota;
import dev.aril.tenancy.Reservation;
import dev.aril.tenancy.ReserveRequest;
import dev.aril.tenancy.Settlement;
import dev.aril.tenancy.UsageEvent;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** As the tenancy room decides. */
record TenancySpending(ApiKeys keys, Quota quota) implements Spending {
    @Override
    public Optional<Bearer> identify(String presented) {
        return keys.identify(presented);
    }

    @Override
    public CompletableFuture<Admission> reserve(ReserveRequest request) {
        return quota.reserve(request);
    }

    @Override
    public CompletableFuture<Boolean> checkpoint(Reservation reservation, UsageEvent soFar) {
        return quota.checkpoint(reservation, soFar);
    }

    @Override
    public CompletableFuture<Settlement> settle(Reservation reservation, UsageEvent event) {
        return quota.settle(reservation, event);
    }

    @Override
    public CompletableFuture<Void> cancel(Reservation reservation) {
        return quota.cancel(reservation);
    }
}
