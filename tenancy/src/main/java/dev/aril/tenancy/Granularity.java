package dev.aril.tenancy;

import java.time.Duration;

/** How wide a bucket of usage is; buckets begin at UTC's minutes, hours and midnights. */
public enum Granularity {
    MINUTE(Duration.ofMinutes(1)),
    HOUR(Duration.ofHours(1)),
    DAY(Duration.ofDays(1));

    private final Duration width;

    Granularity(Duration width) {
        this.width = width;
    }

    public Duration width() {
        return width;
    }
}
