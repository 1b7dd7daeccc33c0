package dev.aril.tenancy;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What one generation spent; the ledger's row.
 *
 * @param requestId the generation's id, unique among all, 1 to 128 characters
 * @param keyId of the API key that asked; empty where it is not known
 * @param model the base model's name
 * @param adapter the adapter's name; null for the base model
 * @param adapterVersion its digest, 64 lower-case hex digits; null for the base model
 * @param promptTokens ids of all prompts
 * @param cachedTokens those of them that were not computed again, at most {@code promptTokens}
 * @param completionTokens ids generated, over all choices
 * @param finishReason for example {@code stop}, {@code length}, {@code cancelled}, {@code failed}
 * @param startedAt when the request was accepted
 * @param scheduledAt when the engine began with it; null if it never did
 * @param firstTokenAt when the first token was made; null if none was
 * @param finishedAt when the last token was made; taken as {@code startedAt} if that is later
 * @param engineMillis time in the engine, from its first step to its last
 */
public record UsageEvent(
        String requestId,
        TenantId tenant,
        String keyId,
        String model,
        @Nullable String adapter,
        @Nullable String adapterVersion,
        long promptTokens,
        long cachedTokens,
        long completionTokens,
        String finishReason,
        Instant startedAt,
        @Nullable Instant scheduledAt,
        @Nullable Instant firstTokenAt,
        Instant finishedAt,
        long engineMillis) {
    public UsageEvent {
        if (requestId.isEmpty() || requestId.length() > 128) {
            throw new IllegalArgumentException(
                    "requestId must have 1 to 128 characters, not " + requestId.length());
        }
        if (promptTokens < 0 || completionTokens < 0 || engineMillis < 0) {
            throw new IllegalArgumentException(
                    "counts must not be negative: "
                            + promptTokens
                            + ", "
                            + completionTokens
                            + ", "
                            + engineMillis);
        }
        if (cachedTokens < 0 || cachedTokens > promptTokens) {
            throw new IllegalArgumentException(
                    "cachedTokens must be 0 to promptTokens, "
                            + promptTokens
                            + ": "
                            + cachedTokens);
        }
        // A clock set back in between must not cost the row.
        finishedAt = finishedAt.isBefore(startedAt) ? startedAt : finishedAt;
    }

    /** What counts against limits. */
    public long tokens() {
        return Math.addExact(promptTokens, completionTokens);
    }
}
