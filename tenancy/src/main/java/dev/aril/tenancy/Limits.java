package dev.aril.tenancy;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.jdbc.core.simple.JdbcClient;

/** What may a tenant spend? In force for the next request on every replica. All calls block. */
public final class Limits {
    private final RowSecurity rows;
    private final JdbcClient sql;
    private final AuditLog audit;

    Limits(RowSecurity rows, JdbcClient sql, AuditLog audit) {
        this.rows = rows;
        this.sql = sql;
        this.audit = audit;
    }

    /** The tenant's limits with what counts against them, by scope and metric. */
    public List<LimitState> of(TenantId tenant) {
        return rows.of(
                tenant,
                () ->
                        sql.sql(
                                        """
                                        select l.scope, l.subject, l.metric, l.hard, l.soft, l.shadow,
                                               case when l.raised_until > now() then l.raised_to end
                                                   as raised_to,
                                               case when l.raised_until > now() then l.raised_until end
                                                   as raised_until,
                                               l.would_have_refused,
                                               case l.metric
                                                   when 'adapters' then (
                                                       select count(*) from adapters
                                                       where tenant_id = l.tenant_id)
                                                   when 'stored_bytes' then (
                                                       select coalesce(sum(bytes), 0)::bigint from adapters
                                                       where tenant_id = l.tenant_id)
                                                   else coalesce(w.used, 0) end as used,
                                               coalesce(w.reserved, 0) as reserved,
                                               coalesce(
                                                   w.until,
                                                   quota_until(l.metric, quota_window(l.metric, now())))
                                                   as reset_at
                                        from limits l
                                        left join lateral (
                                            select sum(w.used)::bigint as used,
                                                   sum(w.reserved)::bigint as reserved,
                                                   max(quota_until(w.metric, w.starts_at)) as until
                                            from quota_windows w
                                            where w.tenant_id = l.tenant_id and w.scope = l.scope
                                              and w.subject = l.subject and w.metric = l.metric
                                              and w.starts_at >= quota_since(l.metric, now())) w on true
                                        where l.tenant_id = :tenant
                                        order by l.scope <> 'tenant', l.scope, l.subject, l.metric
                                        """)
                                .param("tenant", tenant.value())
                                .query(Limits::state)
                                .list());
    }

    /**
     * Sets or replaces the limit of that scope and metric. What was spent in the current window
     * before the limit was there counts.
     *
     * @throws Absent if there is no such tenant
     */
    public void set(Actor by, TenantId tenant, Limit limit) {
        audit.act(
                by,
                "limit.set",
                tenant,
                name(limit.scope(), limit.metric()),
                text(limit),
                () -> {
                    lock(tenant);
                    int written =
                            sql.sql(
                                            """
                                            insert into limits as l (
                                                tenant_id, scope, subject, metric, hard, soft, shadow,
                                                raised_to, raised_until)
                                            select t.id, :scope, :subject, :metric, :hard::bigint,
                                                   :soft::bigint, :shadow, :raised::bigint,
                                                   :until::timestamptz
                                            from tenants t where t.id = :tenant and t.status <> 'purged'
                                            on conflict (tenant_id, scope, subject, metric) do update set
                                                hard = excluded.hard, soft = excluded.soft,
                                                shadow = excluded.shadow, raised_to = excluded.raised_to,
                                                raised_until = excluded.raised_until,
                                                would_have_refused =
                                                    case when excluded.shadow and l.shadow
                                                        then l.would_have_refused else 0 end
                                            """)
                                    .param("tenant", tenant.value())
                                    .param("scope", limit.scope().kind().text())
                                    .param("subject", limit.scope().subject())
                                    .param("metric", limit.metric().text())
                                    .param("hard", limit.hard())
                                    .param("soft", limit.soft())
                                    .param("shadow", limit.shadow())
                                    .param("raised", limit.raisedTo())
                                    .param("until", Columns.timeOrNull(limit.raisedUntil()))
                                    .update();
                    if (written == 0) {
                        throw new Absent("there is no tenant " + tenant);
                    }
                    return count(tenant, limit.scope(), limit.metric());
                });
    }

    /**
     * Lifts the hard limit for a while; the limit itself stays as it is.
     *
     * @param to more than the hard limit
     * @throws Absent if there is no such hard limit, or it is not less
     */
    public void raise(
            Actor by, TenantId tenant, QuotaScope scope, Metric metric, long to, Instant until) {
        audit.act(
                by,
                "limit.raise",
                tenant,
                name(scope, metric),
                "to " + to + " until " + until,
                () -> {
                    lock(tenant);
                    int written =
                            sql.sql(
                                            """
                                            update limits set raised_to = :to, raised_until = :until
                                            where tenant_id = :tenant and scope = :scope
                                              and subject = :subject and metric = :metric
                                              and hard < :to
                                            """)
                                    .param("to", to)
                                    .param("until", Columns.time(until))
                                    .param("tenant", tenant.value())
                                    .param("scope", scope.kind().text())
                                    .param("subject", scope.subject())
                                    .param("metric", metric.text())
                                    .update();
                    if (written == 0) {
                        throw new Absent(
                                "the tenant has no hard limit below "
                                        + to
                                        + " of "
                                        + name(scope, metric));
                    }
                    return written;
                });
    }

    /**
     * @throws Absent if there is no such limit
     */
    public void remove(Actor by, TenantId tenant, QuotaScope scope, Metric metric) {
        audit.act(
                by,
                "limit.remove",
                tenant,
                name(scope, metric),
                "",
                () -> {
                    lock(tenant);
                    int removed =
                            sql.sql(
                                            """
                                            with gone as (
                                                delete from quota_windows
                                                where tenant_id = :tenant and scope = :scope
                                                  and subject = :subject and metric = :metric)
                                            delete from limits
                                            where tenant_id = :tenant and scope = :scope
                                              and subject = :subject and metric = :metric
                                            """)
                                    .param("tenant", tenant.value())
                                    .param("scope", scope.kind().text())
                                    .param("subject", scope.subject())
                                    .param("metric", metric.text())
                                    .update();
                    if (removed == 0) {
                        throw new Absent("the tenant has no limit of " + name(scope, metric));
                    }
                    return removed;
                });
    }

    /** No request of the tenant is decided until the transaction ends. */
    private void lock(TenantId tenant) {
        sql.sql("select pg_advisory_xact_lock(quota_lock(:tenant))")
                .param("tenant", tenant.value())
                .query(_ -> {});
    }

    private boolean count(TenantId tenant, QuotaScope scope, Metric metric) {
        return sql.sql(
                        """
                        select quota_count(
                            :tenant, :scope, :subject, :metric, clock_timestamp()) is not null
                        """)
                .param("tenant", tenant.value())
                .param("scope", scope.kind().text())
                .param("subject", scope.subject())
                .param("metric", metric.text())
                .query((_, _) -> true)
                .single();
    }

    private static String name(QuotaScope scope, Metric metric) {
        return scope + " " + metric.text();
    }

    private static String text(Limit limit) {
        return "hard "
                + limit.hard()
                + ", soft "
                + limit.soft()
                + (limit.shadow() ? ", shadow" : "")
                + (limit.raisedTo() == null
                        ? ""
                        : ", raised to " + limit.raisedTo() + " until " + limit.raisedUntil());
    }

    private static LimitState state(ResultSet row, int number) throws SQLException {
        @Nullable Long hard = Columns.number(row, "hard");
        @Nullable Long raised = Columns.number(row, "raised_to");
        Limit limit =
                new Limit(
                        new QuotaScope(
                                QuotaScope.Kind.of(row.getString("scope")),
                                row.getString("subject")),
                        Metric.of(row.getString("metric")),
                        hard,
                        Columns.number(row, "soft"),
                        row.getBoolean("shadow"),
                        raised,
                        Columns.instant(row, "raised_until").orElse(null));
        return new LimitState(
                limit,
                raised == null ? hard : raised,
                row.getLong("used"),
                row.getLong("reserved"),
                Columns.instant(row, "reset_at").orElse(null),
                row.getLong("would_have_refused"));
    }
}
