package dev.aril.tenancy;

import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * One warning on its way to one endpoint.
 *
 * @param type for example {@code quota.soft_limit_reached}
 * @param payload the JSON that is sent
 * @param nextAt when it is tried again; null once it is delivered or given up
 */
public record WebhookDelivery(
        UUID id,
        UUID endpoint,
        TenantId tenant,
        String type,
        String payload,
        State state,
        int attempts,
        @Nullable Instant nextAt,
        @Nullable String lastError,
        Instant createdAt) {
    /** See {@link WebhookDelivery}. */
    public enum State {
        PENDING,
        DELIVERED,
        /** Tried for a day in vain; {@link Webhooks#redrive} begins again. */
        DEAD
    }
}
