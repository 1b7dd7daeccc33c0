package dev.aril.tenancy;

import java.time.Duration;
import java.time.Instant;

/**
 * A hard limit stands in the way. Where several do, the one that stands longest.
 *
 * @param limit in force now, a temporary raise included
 * @param used what counts against it: spent and held
 * @param requested what was asked
 * @param resetAt when it may be asked again, by the database's clock; {@link Instant#MAX} if it
 *     never fits
 * @param retryAfter the same from now; not longer than a window
 * @param retryable whether waiting a minute may help: false where a day, a month or what is stored
 *     is used up, and where the request alone is larger than the limit
 */
public record QuotaRefused(
        Metric metric,
        QuotaScope scope,
        long limit,
        long used,
        long requested,
        Instant resetAt,
        Duration retryAfter,
        boolean retryable,
        Headroom headroom)
        implements Admission {
    /** Whether the request would be refused even if nothing had been used. */
    public boolean neverFits() {
        return requested > limit;
    }
}
