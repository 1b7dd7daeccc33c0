package dev.aril.tenancy;

/**
 * A customer or department with its own keys, adapters and usage.
 *
 * @param name unique, lower case; see {@link Tenants#create}
 */
public record Tenant(TenantId id, String name) {}
