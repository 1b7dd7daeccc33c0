package dev.aril.tenancy;

import java.util.UUID;

/** Whose something is. */
public record TenantId(UUID value) {
    @Override
    public String toString() {
        return value.toString();
    }
}
