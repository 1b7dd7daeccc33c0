package dev.aril.tenancy;

import java.net.URI;
import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Where a tenant's warnings go.
 *
 * @param tenant null for those of all tenants
 */
public record WebhookEndpoint(
        UUID id, @Nullable TenantId tenant, URI url, boolean active, Instant createdAt) {}
