package dev.aril.tenancy;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.dao.DuplicateKeyException;
import org.springframework.jdbc.core.simple.JdbcClient;

/** Who are the tenants? All calls block on SQL. */
public final class Tenants {
    private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9-]{0,62}");
    private static final Duration LONGEST_GRACE = Duration.ofDays(366);

    private final RowSecurity rows;
    private final JdbcClient sql;
    private final AuditLog audit;
    private final InstantSource clock;

    Tenants(RowSecurity rows, JdbcClient sql, AuditLog audit, InstantSource clock) {
        this.rows = rows;
        this.sql = sql;
        this.audit = audit;
        this.clock = clock;
    }

    /** As {@link #create(Actor, String)}, by the server itself. */
    public Tenant create(String name) {
        return create(Actor.SERVER, name);
    }

    /**
     * @param name {@code [a-z0-9][a-z0-9-]{0,62}}
     * @throws TenantRefused if the name is malformed or taken
     */
    public Tenant create(Actor by, String name) {
        if (!NAME.matcher(name).matches()) {
            throw new TenantRefused(
                    "name must be 1 to 63 lower-case letters, digits and hyphens, and not begin"
                            + " with a hyphen");
        }
        Tenant tenant = new Tenant(new TenantId(UUID.randomUUID()), name);
        try {
            return audit.act(
                    by,
                    "tenant.create",
                    tenant.id(),
                    name,
                    "",
                    () -> {
                        sql.sql(
                                        """
                                        insert into tenants (id, name, status, created_at)
                                        values (:id, :name, 'active', :now)
                                        """)
                                .param("id", tenant.id().value())
                                .param("name", name)
                                .param("now", Columns.time(clock.instant()))
                                .update();
                        return tenant;
                    });
        } catch (DuplicateKeyException e) {
            throw new TenantRefused("name " + name + " is taken; choose another");
        }
    }

    /**
     * Refuses the tenant's keys from now on, within a second everywhere.
     *
     * @throws Absent if there is no such tenant
     * @throws TenantRefused if it is deleted
     */
    public TenantDetails suspend(Actor by, TenantId tenant) {
        return change(by, "tenant.suspend", tenant, TenantStatus.SUSPENDED, null);
    }

    /** Ends a suspension; fails as {@link #suspend}. */
    public TenantDetails resume(Actor by, TenantId tenant) {
        return change(by, "tenant.resume", tenant, TenantStatus.ACTIVE, null);
    }

    /**
     * Refuses the keys, and purges keys, adapters and limits when the grace has ended. The ledger
     * stays. Again changes the grace.
     *
     * @param grace at most 366 days
     * @throws Absent if there is no such tenant
     */
    public TenantDetails delete(Actor by, TenantId tenant, Duration grace) {
        if (grace.isNegative() || grace.compareTo(LONGEST_GRACE) > 0) {
            throw new TenantRefused("grace must be between nothing and 366 days, not " + grace);
        }
        Instant purgeAt = Columns.stored(clock.instant().plus(grace));
        return change(by, "tenant.delete", tenant, TenantStatus.DELETED, purgeAt);
    }

    /**
     * Undoes a deletion within its grace: active again.
     *
     * @throws Absent if there is no such tenant
     */
    public TenantDetails restore(Actor by, TenantId tenant) {
        return audit.act(
                by,
                "tenant.restore",
                tenant,
                "",
                "",
                () -> {
                    sql.sql(
                                    """
                                    update tenants set status = 'active', purge_at = null
                                    where id = :id and status = 'deleted'
                                    """)
                            .param("id", tenant.value())
                            .update();
                    return get(tenant);
                });
    }

    private TenantDetails change(
            Actor by,
            String action,
            TenantId tenant,
            TenantStatus status,
            @Nullable Instant purgeAt) {
        return audit.act(
                by,
                action,
                tenant,
                "",
                purgeAt == null ? "" : "to be purged at " + purgeAt,
                () -> {
                    if (status != TenantStatus.DELETED
                            && get(tenant).status() == TenantStatus.DELETED) {
                        throw new TenantRefused(
                                "tenant "
                                        + get(tenant).tenant().name()
                                        + " is deleted; restore it first");
                    }
                    sql.sql(
                                    """
                                    update tenants
                                    set status = :status, purge_at = :purge::timestamptz
                                    where id = :id and status <> 'purged'
                                    """)
                            .param("status", status.text())
                            .param("purge", Columns.timeOrNull(purgeAt))
                            .param("id", tenant.value())
                            .update();
                    return get(tenant);
                });
    }

    /** Any status but purged. */
    public Optional<TenantDetails> details(TenantId tenant) {
        return rows.ofAll(() -> look(tenant));
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
        Columns.page(limit);
        List<TenantDetails> found =
                rows.ofAll(() ->
                        sql.sql(
                                        """
                                        select id, name, status, created_at, purge_at from tenants
                                        where status <> 'purged'
                                          and (:search::text is null
                                               or strpos(name, :search::text) > 0)
                                          and (:status::text is null or status = :status::text)
                                          and (:after::text is null or name > :after::text)
                                        order by name limit :limit
                                        """)
                                .param("search", search)
                                .param("status", status == null ? null : status.text())
                                .param("after", after)
                                .param("limit", limit + 1)
                                .query(Tenants::details)
                                .list());
        return Page.of(found, limit, d -> d.tenant().name());
    }

    public Optional<Tenant> find(String name) {
        return rows.ofAll(() ->
                        sql.sql(
                                        """
                                        select id, name, status, created_at, purge_at from tenants
                                        where name = :name
                                        """)
                                .param("name", name)
                                .query(Tenants::details)
                                .optional())
                .map(TenantDetails::tenant);
    }

    /** All tenants that are not purged, by name. */
    public List<Tenant> list() {
        return rows
                .ofAll(() ->
                        sql.sql(
                                        """
                                        select id, name, status, created_at, purge_at from tenants
                                        where status <> 'purged' order by name
                                        """)
                                .query(Tenants::details)
                                .list())
                .stream()
                .map(TenantDetails::tenant)
                .toList();
    }

    /**
     * Removes what is left of deleted tenants whose grace has ended: all but the ledger, and their
     * adapters' files, which the adapter store sweeps.
     *
     * @return how many
     */
    int purge() {
        List<TenantDetails> due =
                rows.ofAll(() ->
                        sql.sql(
                                        """
                                        select id, name, status, created_at, purge_at from tenants
                                        where status = 'deleted' and purge_at <= :now
                                        """)
                                .param("now", Columns.time(clock.instant()))
                                .query(Tenants::details)
                                .list());
        for (TenantDetails tenant : due) {
            audit.act(
                    Actor.SERVER,
                    "tenant.purge",
                    tenant.tenant().id(),
                    tenant.tenant().name(),
                    "its grace has ended",
                    () ->
                            sql.sql("select purge_tenant(:id)")
                                    .param("id", tenant.tenant().id().value())
                                    .query((row, _) -> true)
                                    .single());
        }
        return due.size();
    }

    private TenantDetails get(TenantId tenant) {
        return look(tenant).orElseThrow(() -> new Absent("there is no tenant " + tenant));
    }

    private Optional<TenantDetails> look(TenantId tenant) {
        return sql.sql(
                        """
                        select id, name, status, created_at, purge_at from tenants
                        where id = :id and status <> 'purged'
                        """)
                .param("id", tenant.value())
                .query(Tenants::details)
                .optional();
    }

    private static TenantDetails details(ResultSet row, int number) throws SQLException {
        return new TenantDetails(
                new Tenant(new TenantId(row.getObject("id", UUID.class)), row.getString("name")),
                TenantStatus.of(row.getString("status")),
                Columns.moment(row, "created_at"),
                Columns.instant(row, "purge_at").orElse(null));
    }
}
