package dev.aril.commands;

import dev.aril.api.Spending;
import dev.aril.tenancy.Admission;
import dev.aril.tenancy.Bearer;
import dev.aril.tenancy.Headroom;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Reservation;
import dev.aril.tenancy.ReserveRequest;
import dev.aril.tenancy.Settlement;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.UsageEvent;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/** Knows everybody, allows everything and writes nothing down: what the real one is measured by. */
final class FreeSpending implements Spending {
    private static final UUID NOBODY = new UUID(0, 0);

    private final Optional<Bearer> anybody =
            Optional.of(
                    new Bearer(
                            new Tenant(new TenantId(NOBODY), "anybody"), "anybody", KeyScope.ALL));

    @Override
    public Optional<Bearer> identify(String presented) {
        return anybody;
    }

    @Override
    public CompletableFuture<Admission> reserve(ReserveRequest request) {
        return CompletableFuture.completedFuture(
                new Reservation(
                        NOBODY,
                        request.requestId(),
                        request.tenant(),
                        request.keyId(),
                        request.adapter(),
                        request.tokens(),
                        Instant.EPOCH,
                        Headroom.UNLIMITED));
    }

    @Override
    public CompletableFuture<Boolean> checkpoint(Reservation reservation, UsageEvent soFar) {
        return CompletableFuture.completedFuture(true);
    }

    @Override
    public CompletableFuture<Settlement> settle(Reservation reservation, UsageEvent event) {
        return CompletableFuture.completedFuture(Settlement.RECORDED);
    }

    @Override
    public CompletableFuture<Void> cancel(Reservation reservation) {
        return CompletableFuture.completedFuture(null);
    }
}
