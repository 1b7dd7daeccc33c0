package dev.aril.tenancy;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What is left, after the decision, of the tightest limits that apply to a request.
 *
 * @param requests of requests per minute; null where nothing limits them
 * @param tokens of tokens per minute; null where nothing limits them
 */
public record Headroom(@Nullable Room requests, @Nullable Room tokens) {
    /** Nothing is limited. */
    public static final Headroom UNLIMITED = new Headroom(null, null);

    /**
     * @param limit in force now, a temporary raise included
     * @param remaining not below 0
     * @param reset until all of the limit is free again, if nothing more is asked
     */
    public record Room(long limit, long remaining, Duration reset) {}
}
