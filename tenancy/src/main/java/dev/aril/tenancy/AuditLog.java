package dev.aril.tenancy;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What did administrators do? Append-only, each entry sealed by the one before. Calls block. */
public final class AuditLog {
    /**
     * Does something and writes it down, both or neither; for acts that are not this room's own,
     * which write their entries themselves.
     */
    public <T> T act(
            Actor by,
            String action,
            @Nullable TenantId tenant,
            String object,
            String detail,
            Supplier<T> work) {
        throw new UnsupportedOperationException();
    }

    /**
     * Entries, newest first.
     *
     * @param tenant null for all
     * @param search part of the actor's name, the action or the object; null for all
     * @param after what the page before said, null for the first
     */
    public Page<AuditEntry> page(
            @Nullable TenantId tenant, @Nullable String search, @Nullable String after, int limit) {
        throw new UnsupportedOperationException();
    }

    /** Computes all hashes again. */
    public AuditVerdict verify() {
        throw new UnsupportedOperationException();
    }
}
