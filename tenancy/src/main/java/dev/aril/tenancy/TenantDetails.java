package dev.aril.tenancy;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A tenant as an administrator sees it.
 *
 * @param purgeAt when a deleted tenant's grace ends; null for others
 */
public record TenantDetails(
        Tenant tenant, TenantStatus status, Instant createdAt, @Nullable Instant purgeAt) {}
