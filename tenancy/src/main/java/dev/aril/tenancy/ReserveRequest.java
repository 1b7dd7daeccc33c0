package dev.aril.tenancy;

import org.jspecify.annotations.Nullable;

/**
 * What a generation may spend at most.
 *
 * @param requestId the generation's id, unique, 1 to 128 characters; the ledger's key later
 * @param keyId of the API key that asks
 * @param adapter the adapter's name; null for the base model
 * @param promptTokens ids of all prompts together
 * @param maxTokens ids that may be generated at most, over all choices
 */
public record ReserveRequest(
        String requestId,
        TenantId tenant,
        String keyId,
        @Nullable String adapter,
        long promptTokens,
        long maxTokens) {
    public ReserveRequest {
        if (requestId.isEmpty() || requestId.length() > 128) {
            throw new IllegalArgumentException(
                    "requestId must have 1 to 128 characters, not " + requestId.length());
        }
        if (promptTokens < 0 || maxTokens < 0) {
            throw new IllegalArgumentException(
                    "token counts must not be negative: " + promptTokens + ", " + maxTokens);
        }
    }

    /** All that is held. */
    public long tokens() {
        return Math.addExact(promptTokens, maxTokens);
    }
}
