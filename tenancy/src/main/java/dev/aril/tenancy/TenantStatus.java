package dev.aril.tenancy;

import java.util.Locale;

/** Whether a tenant's keys open anything. */
public enum TenantStatus {
    ACTIVE,
    /** Keys are refused, everything is kept. */
    SUSPENDED,
    /** As suspended, until its grace ends and it is purged; can be restored. */
    DELETED,
    /** Keys, adapters and limits are gone, the ledger is kept; final. */
    PURGED;

    /** As written in the database: {@code active}. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    static TenantStatus of(String text) {
        return valueOf(text.toUpperCase(Locale.ROOT));
    }
}
