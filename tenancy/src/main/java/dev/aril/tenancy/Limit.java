package dev.aril.tenancy;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * One limit of a tenant.
 *
 * @param hard what is never exceeded; null for a limit that only warns
 * @param soft from where on a webhook warns; null for none
 * @param shadow whether the hard limit only counts what it would have refused
 * @param raisedTo a temporary hard limit; null for none
 * @param raisedUntil when that ends; null with {@code raisedTo}
 */
public record Limit(
        QuotaScope scope,
        Metric metric,
        @Nullable Long hard,
        @Nullable Long soft,
        boolean shadow,
        @Nullable Long raisedTo,
        @Nullable Instant raisedUntil) {
    public Limit {
        if (hard == null && soft == null) {
            throw new IllegalArgumentException(
                    "a limit needs hard, soft or both; remove it to lift it");
        }
        if ((hard != null && hard < 0) || (soft != null && soft < 0)) {
            throw new IllegalArgumentException("hard and soft must not be negative");
        }
        if ((raisedTo == null) != (raisedUntil == null)) {
            throw new IllegalArgumentException("raisedTo and raisedUntil go together");
        }
        if (raisedTo != null && (hard == null || raisedTo <= hard)) {
            throw new IllegalArgumentException(
                    "raisedTo must be more than the hard limit, " + hard);
        }
        if (metric.stored() && scope.kind() != QuotaScope.Kind.TENANT) {
            throw new IllegalArgumentException(
                    "metric " + metric.text() + " is limited for the whole tenant only");
        }
    }

    /** A hard limit and nothing else. */
    public static Limit hard(QuotaScope scope, Metric metric, long hard) {
        return new Limit(scope, metric, hard, null, false, null, null);
    }
}
