package dev.aril.tenancy;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What one generation spent.
 *
 * @param generationId unique among all generations, 1 to 128 characters
 * @param model the name the tenant asked for
 * @param adapterDigest 64 lower-case hex digits; null for the base model
 * @param promptTokens ids of the prompt
 * @param completionTokens ids generated
 * @param finishReason for example {@code stop}, {@code length}, {@code cancelled}, {@code failed}
 * @param startedAt when the request was accepted
 * @param finishedAt when the last token was made; taken as {@code startedAt} if that is later
 */
public record UsageEntry(
        String generationId,
        TenantId tenant,
        String model,
        @Nullable String adapterDigest,
        int promptTokens,
        int completionTokens,
        String finishReason,
        Instant startedAt,
        Instant finishedAt) {
    public UsageEntry {
        if (generationId.isEmpty() || generationId.length() > 128) {
            throw new IllegalArgumentException(
                    "generationId must have 1 to 128 characters, not " + generationId.length());
        }
        if (promptTokens < 0 || completionTokens < 0) {
            throw new IllegalArgumentException(
                    "token counts must not be negative: " + promptTokens + ", " + completionTokens);
        }
        // A clock set back in between must not cost the row.
        finishedAt = finishedAt.isBefore(startedAt) ? startedAt : finishedAt;
    }
}
