package dev.aril.tenancy;

/** The answer to {@link Quota#reserve}. */
public sealed interface Admission permits Reservation, QuotaRefused {
    /** What is left of the tightest minute limits, for rate-limit headers. */
    Headroom headroom();
}
