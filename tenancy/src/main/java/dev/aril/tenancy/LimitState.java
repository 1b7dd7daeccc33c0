package dev.aril.tenancy;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A limit and what counts against it now.
 *
 * @param inForce the hard limit in force, a temporary raise included; null if it only warns
 * @param used spent in the current window
 * @param reserved held by requests under way
 * @param resetAt when the window is new; null where there is none
 * @param wouldHaveRefused requests a shadow limit let pass
 */
public record LimitState(
        Limit limit,
        @Nullable Long inForce,
        long used,
        long reserved,
        @Nullable Instant resetAt,
        long wouldHaveRefused) {}
