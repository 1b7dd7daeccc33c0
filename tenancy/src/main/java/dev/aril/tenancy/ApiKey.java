package dev.aril.tenancy;

import java.time.Instant;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A key as an administrator sees it: all but its secret.
 *
 * @param keyId public, 12 characters
 * @param expiresAt null if it never does
 * @param revokedAt null while it is valid
 * @param rotatedAt when its present secret was made; null if it is the first
 * @param overlapUntil until when the secret before that works too; null if it does not
 */
public record ApiKey(
        String keyId,
        TenantId tenant,
        String label,
        Set<KeyScope> scopes,
        Instant createdAt,
        @Nullable Instant expiresAt,
        @Nullable Instant revokedAt,
        @Nullable Instant rotatedAt,
        @Nullable Instant overlapUntil) {
    public ApiKey {
        scopes = Set.copyOf(scopes);
    }
}
