package dev.aril.tenancy;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * What a limit counts.
 *
 * <p>A generation's requests and tokens belong to the moment of its admission, by the database's
 * clock: "per minute" is any 60 seconds, a day and a month are UTC's.
 */
public enum Metric {
    /** Admitted requests in any 60 seconds. */
    REQUESTS_PER_MINUTE,
    /** Prompt and generated tokens of requests admitted in any 60 seconds. */
    TOKENS_PER_MINUTE,
    /** The same, from midnight to midnight, UTC. */
    TOKENS_PER_DAY,
    /** The same, by calendar month, UTC. */
    TOKENS_PER_MONTH,
    /** Admitted and not yet settled. */
    CONCURRENT_REQUESTS,
    /** Adapters a tenant has; only in a tenant's scope. */
    ADAPTERS,
    /** Bytes of those adapters' files; only in a tenant's scope. */
    STORED_BYTES;

    /** As written in the database, in URLs and on the command line: {@code tokens_per_day}. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * @throws IllegalArgumentException that names all metrics
     */
    public static Metric of(String text) {
        for (Metric metric : values()) {
            if (metric.text().equals(text)) {
                return metric;
            }
        }
        throw new IllegalArgumentException(
                "metric must be one of "
                        + Arrays.stream(values())
                                .map(Metric::text)
                                .collect(Collectors.joining(", "))
                        + ", not "
                        + text);
    }

    /** Whether it counts what is kept, and not what is asked. */
    public boolean stored() {
        return this == ADAPTERS || this == STORED_BYTES;
    }
}
