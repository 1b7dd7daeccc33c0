package dev.aril.tenancy;

import java.time.Instant;
import java.util.List;

/** What do tokens cost? All calls block. */
public final class Prices {
    /** All prices, by model, tenant, adapter and time. */
    public List<Price> list() {
        throw new UnsupportedOperationException();
    }

    /**
     * Adds a price; what is in the ledger keeps the price of its time. The most specific one
     * counts: tenant and adapter, tenant, adapter, model.
     *
     * @throws IllegalArgumentException if it would begin in the past
     */
    public void set(Actor by, Price price) {
        throw new UnsupportedOperationException();
    }

    /**
     * What an event costs by the prices at a time, in millionths of a micro-unit; 0 without one.
     */
    public long cost(UsageEvent event, Instant at) {
        throw new UnsupportedOperationException();
    }
}
