package dev.aril.tenancy;

import java.time.Instant;

/**
 * A row of the ledger.
 *
 * @param admittedAt by the database's clock; days, months and buckets follow it
 * @param costPicos by the prices at the time, in millionths of a micro-unit: exact
 */
public record RecordedEvent(UsageEvent event, Instant admittedAt, long costPicos) {}
