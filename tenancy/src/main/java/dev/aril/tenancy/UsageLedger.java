package dev.aril.tenancy;

import java.time.Instant;
import java.util.List;

/** What was spent? Append-only, one row a generation. */
public final class UsageLedger {
    /**
     * Commits the entry; the same generation a second time changes nothing.
     *
     * @return whether the row is new
     */
    public boolean record(UsageEntry entry) {
        throw new UnsupportedOperationException(entry.toString());
    }

    /** A tenant's entries that finished from {@code from} up to, not including, {@code until}. */
    public List<UsageEntry> entries(TenantId tenant, Instant from, Instant until) {
        throw new UnsupportedOperationException(tenant.toString() + from + until);
    }
}
