package dev.aril.tenancy;

import java.net.URI;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Who is told of warnings, and were they? All calls block. */
public final class Webhooks {
    /** An endpoint with the secret its messages are signed with, shown this once. */
    public record Registered(WebhookEndpoint endpoint, String secret) {}

    /**
     * @param tenant null for the warnings of all tenants
     * @param url https, or http where a setting allows it; not to a private address
     * @throws IllegalArgumentException that says what is wrong with the URL
     */
    public Registered register(Actor by, @Nullable TenantId tenant, URI url) {
        throw new UnsupportedOperationException();
    }

    /** A tenant's endpoints, or with null those of all tenants' warnings. */
    public List<WebhookEndpoint> endpoints(@Nullable TenantId tenant) {
        throw new UnsupportedOperationException();
    }

    /**
     * @throws Absent if there is no such endpoint
     */
    public void remove(Actor by, UUID endpoint) {
        throw new UnsupportedOperationException();
    }

    /** Deliveries, newest first. */
    public Page<WebhookDelivery> deliveries(
            @Nullable TenantId tenant, @Nullable String after, int limit) {
        throw new UnsupportedOperationException();
    }

    /**
     * Tries a dead delivery again.
     *
     * @throws Absent if there is no dead delivery of that id
     */
    public void redrive(Actor by, UUID delivery) {
        throw new UnsupportedOperationException();
    }
}
