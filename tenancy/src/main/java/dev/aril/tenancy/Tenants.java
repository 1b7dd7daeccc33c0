package dev.aril.tenancy;

import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
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

    public Optional<Tenant> find(String name) {
        return rows.findByName(name).map(TenantRow::tenant);
    }

    /** All tenants, by name. */
    public List<Tenant> list() {
        return rows.findAllByOrderByName().stream().map(TenantRow::tenant).toList();
    }
}
