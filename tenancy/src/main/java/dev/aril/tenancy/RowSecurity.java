package dev.aril.tenancy;

import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * Whose rows does a transaction see? PostgreSQL's row-level security behind every statement's own
 * {@code where tenant_id = …}: a transaction outside {@link #of} and {@link #ofAll} sees no
 * tenant's rows at all.
 */
public final class RowSecurity {
    /** Whose rows the thread's transaction sees; empty for all tenants'. */
    private static final ScopedValue<Optional<TenantId>> SEEN = ScopedValue.newInstance();

    private final JdbcClient sql;
    private final TransactionTemplate transactions;

    RowSecurity(JdbcClient sql, TransactionTemplate transactions) {
        this.sql = sql;
        this.transactions = transactions;
    }

    /**
     * Does work in a transaction that sees one tenant's rows. Inside another one of the same tenant
     * it joins that, and inside one of all tenants too.
     *
     * @throws IllegalStateException inside a transaction of another tenant
     */
    public <T extends @Nullable Object> T of(TenantId tenant, Supplier<T> work) {
        return within(Optional.of(tenant), work);
    }

    /**
     * Does work in a transaction that sees all tenants' rows: administration, never a request of a
     * tenant. Inside another such one it joins that.
     *
     * @throws IllegalStateException inside a transaction of one tenant
     */
    public <T extends @Nullable Object> T ofAll(Supplier<T> work) {
        return within(Optional.empty(), work);
    }

    private <T extends @Nullable Object> T within(Optional<TenantId> whose, Supplier<T> work) {
        if (SEEN.isBound() && TransactionSynchronizationManager.isActualTransactionActive()) {
            boolean all = SEEN.get().isEmpty();
            if (!all && !SEEN.get().equals(whose)) {
                throw new IllegalStateException(
                        "a transaction that sees the rows of "
                                + SEEN.get().map(TenantId::toString).orElse("all tenants")
                                + " cannot see those of "
                                + whose.map(TenantId::toString).orElse("all tenants"));
            }
            return work.get();
        }
        return ScopedValue.where(SEEN, whose)
                .call(() ->
                        transactions.<T>execute(_ -> {
                            enter(whose);
                            return work.get();
                        }));
    }

    /** Until the transaction's end: a connection goes back to the pool as it came. */
    private void enter(Optional<TenantId> whose) {
        if (whose.isPresent()) {
            sql.sql("select set_config('aril.tenant', :tenant, true)")
                    .param("tenant", whose.get().toString())
                    .query(_ -> {});
        } else {
            sql.sql("select set_config('role', 'aril_control', true)").query(_ -> {});
        }
    }

    /**
     * Asks the database whether it really separates tenants for the role that this server works as.
     *
     * @throws RowSecurityAbsent that says what is missing
     */
    void verify() {
        record Rights(String role, boolean exempt, boolean owner) {}
        Rights rights =
                sql.sql(
                                """
                                select current_user as role,
                                       r.rolsuper or r.rolbypassrls as exempt,
                                       exists (
                                           select from pg_class c
                                           where c.relnamespace = 'public'::regnamespace
                                             and c.relkind in ('r', 'p')
                                             and pg_has_role(current_user, c.relowner, 'member'))
                                           as owner
                                from pg_roles r where r.rolname = current_user
                                """)
                        .query(Rights.class)
                        .single();
        if (rights.exempt() || rights.owner()) {
            throw new RowSecurityAbsent(
                    "The database role "
                            + rights.role()
                            + (rights.exempt()
                                    ? " is a superuser or has BYPASSRLS"
                                    : " owns the tables")
                            + ", so row-level security does not separate tenants for it.");
        }
        List<@Nullable String> open =
                sql.sql(
                                """
                                select c.relname from pg_class c
                                join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
                                where c.relnamespace = 'public'::regnamespace
                                  and c.relkind in ('r', 'p') and not c.relispartition
                                  and not (c.relrowsecurity and c.relforcerowsecurity)
                                order by 1
                                """)
                        .query(String.class)
                        .list();
        if (!open.isEmpty()) {
            throw new RowSecurityAbsent("Tables without forced row-level security: " + open + ".");
        }
        try {
            ofAll(() -> sql.sql("select count(*) from accounts").query(Long.class).single());
        } catch (DataAccessException e) {
            throw new RowSecurityAbsent(
                    "The database role "
                            + rights.role()
                            + " may not become aril_control, or that may not read: "
                            + e.getMostSpecificCause().getMessage());
        }
    }
}
