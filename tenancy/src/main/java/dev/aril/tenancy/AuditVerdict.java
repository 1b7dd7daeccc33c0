package dev.aril.tenancy;

import org.jspecify.annotations.Nullable;

/**
 * Whether the audit log is as it was written.
 *
 * @param entries how many were checked
 * @param head the last entry's hash in hex, to be kept elsewhere: it covers all before it; empty
 *     when there is none
 * @param fault what is wrong, with the entry's number; null when all is well
 */
public record AuditVerdict(long entries, String head, @Nullable String fault) {
    public boolean holds() {
        return fault == null;
    }
}
