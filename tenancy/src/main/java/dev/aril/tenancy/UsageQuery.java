package dev.aril.tenancy;

import java.time.Instant;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What to sum up. Answered from rollups.
 *
 * @param tenant null for all tenants, which only an administrator may ask
 * @param from included; rounded down to a bucket's start
 * @param until not included
 * @param groupBy what is told apart; the rest is summed
 * @param keyId only this key; null for all
 * @param model only this base model; null for all
 * @param adapter only this adapter; null for all
 */
public record UsageQuery(
        @Nullable TenantId tenant,
        Granularity granularity,
        Instant from,
        Instant until,
        Set<Group> groupBy,
        @Nullable String keyId,
        @Nullable String model,
        @Nullable String adapter) {
    /** See {@link UsageQuery#groupBy}. */
    public enum Group {
        TENANT,
        KEY,
        MODEL,
        ADAPTER
    }

    public UsageQuery {
        groupBy = Set.copyOf(groupBy);
        if (!from.isBefore(until)) {
            throw new IllegalArgumentException("from must be before until: " + from + ", " + until);
        }
    }

    /** All of a tenant's usage, by adapter and key. */
    public static UsageQuery of(
            TenantId tenant, Granularity granularity, Instant from, Instant until) {
        return new UsageQuery(
                tenant,
                granularity,
                from,
                until,
                Set.of(Group.ADAPTER, Group.KEY),
                null,
                null,
                null);
    }

    boolean by(Group group) {
        return groupBy.contains(group);
    }
}
