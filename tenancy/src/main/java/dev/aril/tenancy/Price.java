package dev.aril.tenancy;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What tokens cost, in whole micro-units of a currency for a million tokens.
 *
 * @param model the base model's name
 * @param tenant null for every tenant
 * @param adapter an adapter's name; null for the base model and for adapters without a price
 * @param prompt micro-units for a million prompt tokens that were computed
 * @param cached micro-units for a million prompt tokens that were not computed again
 * @param completion micro-units for a million generated tokens
 * @param validFrom for generations admitted from then on, until a later price of the same model,
 *     tenant and adapter
 */
public record Price(
        String model,
        @Nullable TenantId tenant,
        @Nullable String adapter,
        long prompt,
        long cached,
        long completion,
        Instant validFrom) {
    /** 1,000 units for a token: beyond it a long request would not fit the ledger's column. */
    public static final long MOST = 1_000_000_000_000_000L;

    public Price {
        for (long price : new long[] {prompt, cached, completion}) {
            if (price < 0 || price > MOST) {
                throw new IllegalArgumentException(
                        "prices must be 0 to "
                                + MOST
                                + " micro-units for a million tokens: "
                                + price);
            }
        }
        if (model.isBlank() || model.length() > 200) {
            throw new IllegalArgumentException("model must have 1 to 200 characters");
        }
    }
}
