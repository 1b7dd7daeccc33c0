package dev.aril.tenancy;

import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.dao.DataIntegrityViolationException;

/** Who are the tenants? All calls block on SQL. */
public final class Tenants {
    private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9-]{0,62}");

    private final TenantRows rows;
    private final InstantSource clock;

    Tenants(TenantRows rows, InstantSource clock) {
        this.rows = rows;
        this.clock = clock;
    }

    /**
     * @param name {@code [a-z0-9][a-z0-9-]{0,62}}
     * @throws TenantRefused if the name is malformed or taken
     */
    public Tenant create(String name) {
        if (!NAME.matcher(name).matches()) {
            throw new TenantRefused(
                    "name must be 1 to 63 lower-case letters, digits and hyphens, and not begin"
                            + " with a hyphen");
        }
        TenantRow row = new TenantRow(UUID.randomUUID(), name, clock.instant());
        try {
            return rows.saveAndFlush(row).tenant();
        } catch (DataIntegrityViolationException e) {
            if (rows.findByName(name).isEmpty()) {
                throw e;
            }
            throw new TenantRefused("name " + name + " is taken; choose another");
        }
    }

    /** As {@link #create(String)}, by an administrator. */
    public Tenant create(Actor by, String name) {
        throw new UnsupportedOperationException();
    }

    /**
     * Refuses the tenant's keys from now on, within a second everywhere.
     *
     * @throws Absent if there is no such tenant
     * @throws TenantRefused if it is deleted
     */
    public TenantDetails suspend(Actor by, TenantId tenant) {
        throw new UnsupportedOperationException();
    }

    /** Ends a suspension. */
    public TenantDetails resume(Actor by, TenantId tenant) {
        throw new UnsupportedOperationException();
    }

    /**
     * Refuses the keys, and purges keys, adapters and limits when the grace has ended. The ledger
     * stays.
     */
    public TenantDetails delete(Actor by, TenantId tenant, Duration grace) {
        throw new UnsupportedOperationException();
    }

    /** Undoes a deletion within its grace: active again. */
    public TenantDetails restore(Actor by, TenantId tenant) {
        throw new UnsupportedOperationException();
    }

    /** Any status but purged. */
    public Optional<TenantDetails> details(TenantId tenant) {
        throw new UnsupportedOperationException();
    }

    /**
     * Tenants by name, purged ones left out.
     *
     * @param search part of the name; null for all
     * @param status null for all
     * @param after what the page before said, null for the first
     * @param limit 1 to 1000
     */
    public Page<TenantDetails> page(
            @Nullable String search,
            @Nullable TenantStatus status,
            @Nullable String after,
            int limit) {
        throw new UnsupportedOperationException();
    }

    public Optional<Tenant> find(String name) {
        return rows.findByName(name).map(TenantRow::tenant);
    }

    /** All tenants, by name. */
    public List<Tenant> list() {
        return rows.findAllByOrderByName().stream().map(TenantRow::tenant).toList();
    }
}
