package dev.aril.tenancy;

import java.time.Instant;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * One administrative act.
 *
 * @param number 1 for the first, without gaps
 * @param action for example {@code key.revoke}
 * @param tenant whom it concerns; null for none
 * @param object what it concerns: a key's id, a limit
 * @param detail what changed, as text for people; never a secret
 * @param hash SHA-256 over the entry before's hash and all of this entry's fields, 32 bytes
 */
public record AuditEntry(
        long number,
        Instant at,
        Actor actor,
        String action,
        @Nullable TenantId tenant,
        String object,
        String detail,
        byte[] hash) {
    public String hashText() {
        return HexFormat.of().formatHex(hash);
    }
}
