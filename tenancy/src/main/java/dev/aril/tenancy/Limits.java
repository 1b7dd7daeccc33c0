package dev.aril.tenancy;

import java.time.Instant;
import java.util.List;

/** What may a tenant spend? In force for the next request on every replica. All calls block. */
public final class Limits {
    /** The tenant's limits with what counts against them, by scope and metric. */
    public List<LimitState> of(TenantId tenant) {
        throw new UnsupportedOperationException();
    }

    /**
     * Sets or replaces the limit of that scope and metric. What was spent in the current window
     * before the limit was there counts.
     *
     * @throws Absent if there is no such tenant
     */
    public void set(Actor by, TenantId tenant, Limit limit) {
        throw new UnsupportedOperationException();
    }

    /**
     * Lifts the hard limit for a while; the limit itself stays as it is.
     *
     * @throws Absent if there is no such hard limit
     */
    public void raise(
            Actor by, TenantId tenant, QuotaScope scope, Metric metric, long to, Instant until) {
        throw new UnsupportedOperationException();
    }

    /**
     * @throws Absent if there is no such limit
     */
    public void remove(Actor by, TenantId tenant, QuotaScope scope, Metric metric) {
        throw new UnsupportedOperationException();
    }
}
