package dev.aril.tenancy;

import java.util.function.Supplier;

/**
 * Whose rows does a transaction see? PostgreSQL's row-level security behind every statement's own
 * {@code where tenant_id = …}: a transaction outside {@link #of} and {@link #ofAll} sees no
 * tenant's rows at all.
 */
public final class RowSecurity {
    /**
     * Does work in a transaction that sees one tenant's rows. Inside another one of the same tenant
     * it joins that.
     *
     * @throws IllegalStateException inside a transaction of another tenant
     */
    public <T> T of(TenantId tenant, Supplier<T> work) {
        throw new UnsupportedOperationException();
    }

    /**
     * Does work in a transaction that sees all tenants' rows: administration, never a request of a
     * tenant. Inside another such one it joins that.
     */
    public <T> T ofAll(Supplier<T> work) {
        throw new UnsupportedOperationException();
    }
}
