package dev.aril.tenancy;

import java.util.List;
import java.util.Optional;

/** Who are the tenants? */
public final class Tenants {
    /**
     * @param name {@code [a-z0-9][a-z0-9-]{0,62}}
     * @throws TenantRefused if the name is malformed or taken
     */
    public Tenant create(String name) {
        throw new UnsupportedOperationException(name);
    }

    public Optional<Tenant> find(String name) {
        throw new UnsupportedOperationException(name);
    }

    /** All tenants, by name. */
    public List<Tenant> list() {
        throw new UnsupportedOperationException();
    }
}
