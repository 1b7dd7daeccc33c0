package dev.aril.tenancy;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * What was spent? Append-only, one row a generation, written by {@link Quota#settle}. Sums come
 * from rollups that are written with the rows, so they agree to the token at any moment. All calls
 * block on SQL.
 */
public final class UsageLedger {
    private final RowSecurity rows;
    private final JdbcClient sql;

    UsageLedger(RowSecurity rows, JdbcClient sql) {
        this.rows = rows;
        this.sql = sql;
    }

    /**
     * Sums of usage by buckets of time, oldest first; buckets come whole: a page never ends inside
     * one.
     *
     * @param after what the page before said, null for the first
     * @param buckets how many buckets with usage a page has at most, 1 to 1000
     */
    public Page<UsageBucket> buckets(UsageQuery query, @Nullable String after, int buckets) {
        Columns.page(buckets);
        @Nullable Long afterSeconds = Page.number(after);
        List<UsageBucket> found =
                seeing(
                        query.tenant(),
                        () ->
                                sql.sql(
                                                """
                                                with chosen as (
                                                    select * from usage_rollups
                                                    where granularity = :granularity
                                                      and starts_at
                                                          >= date_trunc(:granularity, :from, 'UTC')
                                                      and starts_at < :until
                                                      and (:after::timestamptz is null
                                                           or starts_at > :after::timestamptz)
                                                      and (:tenant::uuid is null
                                                           or tenant_id = :tenant::uuid)
                                                      and (:key::text is null or key_id = :key::text)
                                                      and (:model::text is null or model = :model::text)
                                                      and (:adapter::text is null
                                                           or adapter = :adapter::text)
                                                ), page as (
                                                    select distinct starts_at from chosen
                                                    order by starts_at limit :buckets
                                                )
                                                select starts_at,
                                                       case when :byTenant then tenant_id end as tenant_id,
                                                       case when :byKey then key_id end as key_id,
                                                       case when :byModel then model end as model,
                                                       case when :byAdapter then adapter end as adapter,
                                                       sum(requests) as requests,
                                                       sum(prompt_tokens) as prompt_tokens,
                                                       sum(cached_tokens) as cached_tokens,
                                                       sum(completion_tokens) as completion_tokens,
                                                       sum(engine_ms) as engine_ms,
                                                       sum(cost_picos) as cost_picos
                                                from chosen join page using (starts_at)
                                                group by 1, 2, 3, 4, 5
                                                order by 1, 2, 3, 4, 5
                                                """)
                                        .param(
                                                "granularity",
                                                query.granularity().name().toLowerCase(Locale.ROOT))
                                        .param("from", Columns.time(query.from()))
                                        .param("until", Columns.time(query.until()))
                                        .param(
                                                "after",
                                                Columns.timeOrNull(
                                                        afterSeconds == null
                                                                ? null
                                                                : Instant.ofEpochSecond(
                                                                        afterSeconds)))
                                        .param(
                                                "tenant",
                                                query.tenant() == null
                                                        ? null
                                                        : query.tenant().value())
                                        .param("key", query.keyId())
                                        .param("model", query.model())
                                        .param("adapter", query.adapter())
                                        .param("buckets", buckets + 1)
                                        .param("byTenant", query.by(UsageQuery.Group.TENANT))
                                        .param("byKey", query.by(UsageQuery.Group.KEY))
                                        .param("byModel", query.by(UsageQuery.Group.MODEL))
                                        .param("byAdapter", query.by(UsageQuery.Group.ADAPTER))
                                        .query(UsageLedger::bucket)
                                        .list());
        List<Instant> starts = found.stream().map(UsageBucket::start).distinct().toList();
        if (starts.size() <= buckets) {
            return new Page<>(found, null);
        }
        Instant beyond = starts.get(buckets);
        return new Page<>(
                found.stream().filter(b -> b.start().isBefore(beyond)).toList(),
                Long.toString(starts.get(buckets - 1).getEpochSecond()));
    }

    /**
     * A tenant's events, newest first.
     *
     * @param after what the page before said, null for the first
     * @param limit 1 to 1000
     */
    public Page<RecordedEvent> recent(TenantId tenant, @Nullable String after, int limit) {
        Columns.page(limit);
        Optional<Place> place = Optional.ofNullable(after).map(Place::parse);
        List<RecordedEvent> found =
                rows.of(
                        tenant,
                        () ->
                                sql.sql(
                                                """
                                                select request_id, tenant_id, key_id, model, adapter,
                                                       adapter_version, prompt_tokens, cached_tokens,
                                                       completion_tokens, finish_reason, admitted_at,
                                                       started_at, scheduled_at, first_token_at,
                                                       finished_at, engine_ms, cost_picos
                                                from usage_events
                                                where tenant_id = :tenant
                                                  and (:at::timestamptz is null
                                                       or (admitted_at, request_id)
                                                          < (:at::timestamptz, :id::text))
                                                order by admitted_at desc, request_id desc limit :limit
                                                """)
                                        .param("tenant", tenant.value())
                                        .param(
                                                "at",
                                                place.map(p -> Columns.time(p.at())).orElse(null))
                                        .param("id", place.map(Place::id).orElse(null))
                                        .param("limit", limit + 1)
                                        .query(UsageLedger::event)
                                        .list());
        return Page.of(
                found, limit, e -> new Place(e.admittedAt(), e.event().requestId()).toString());
    }

    /**
     * Hands over events in the order of their admission, without holding them all.
     *
     * @param tenant null for all tenants, which only an administrator may ask
     */
    public void export(
            @Nullable TenantId tenant, Instant from, Instant until, Consumer<RecordedEvent> to) {
        seeing(
                tenant,
                () -> {
                    sql.sql(
                                    """
                                    select request_id, tenant_id, key_id, model, adapter, adapter_version,
                                           prompt_tokens, cached_tokens, completion_tokens, finish_reason,
                                           admitted_at, started_at, scheduled_at, first_token_at,
                                           finished_at, engine_ms, cost_picos
                                    from usage_events
                                    where (:tenant::uuid is null or tenant_id = :tenant::uuid)
                                      and admitted_at >= :from and admitted_at < :until
                                    order by admitted_at, request_id
                                    """)
                            .withFetchSize(1000)
                            .param("tenant", tenant == null ? null : tenant.value())
                            .param("from", Columns.time(from))
                            .param("until", Columns.time(until))
                            .query((ResultSet row) -> to.accept(event(row, 0)));
                    return true;
                });
    }

    /**
     * Makes the rollups of whole days anew from the events, tenant after tenant; each tenant's
     * settlements wait meanwhile.
     *
     * @param from rounded down to midnight, UTC
     * @param until rounded up to midnight
     */
    public void rebuildRollups(Instant from, Instant until) {
        Instant since = from.truncatedTo(ChronoUnit.DAYS);
        Instant to = until.minusNanos(1).truncatedTo(ChronoUnit.DAYS).plus(1, ChronoUnit.DAYS);
        List<UUID> tenants =
                rows.ofAll(() ->
                        sql.sql("select id from tenants order by id")
                                .query((row, _) -> row.getObject(1, UUID.class))
                                .list());
        for (UUID tenant : tenants) {
            rows.ofAll(() -> {
                sql.sql("select pg_advisory_xact_lock(quota_lock(:tenant))")
                        .param("tenant", tenant)
                        .query(_ -> {});
                sql.sql("select usage_rebuild(:tenant, :from, :until)")
                        .param("tenant", tenant)
                        .param("from", Columns.time(since))
                        .param("until", Columns.time(to))
                        .query(_ -> {});
                return true;
            });
        }
    }

    /**
     * Compares every counter with the rows it counts, and rollups with events; exact while others
     * write. Reads the whole ledger.
     */
    public Conservation conservation() {
        return rows.ofAll(() -> {
            List<String> faults =
                    sql.sql("select what, counted, summed from quota_faults(clock_timestamp())")
                            .query((row, _) ->
                                    row.getString("what")
                                            + " is "
                                            + row.getBigDecimal("counted")
                                            + " and should be "
                                            + row.getBigDecimal("summed"))
                            .list();
            long events = sql.sql("select count(*) from usage_events").query(Long.class).single();
            long reservations =
                    sql.sql("select count(*) from reservations").query(Long.class).single();
            return new Conservation(events, reservations, faults);
        });
    }

    private <T> T seeing(@Nullable TenantId tenant, Supplier<T> work) {
        return tenant == null ? rows.ofAll(work) : rows.of(tenant, work);
    }

    /** Where a page of events ended. */
    private record Place(Instant at, String id) {
        static Place parse(String text) {
            int colon = text.indexOf(':');
            try {
                long micros = Long.parseLong(text.substring(0, Math.max(colon, 0)));
                return new Place(
                        Instant.EPOCH.plus(micros, ChronoUnit.MICROS), text.substring(colon + 1));
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException("after must be what the page before said");
            }
        }

        @Override
        public String toString() {
            return ChronoUnit.MICROS.between(Instant.EPOCH, at) + ":" + id;
        }
    }

    private static UsageBucket bucket(ResultSet row, int number) throws SQLException {
        UUID tenant = row.getObject("tenant_id", UUID.class);
        return new UsageBucket(
                Columns.moment(row, "starts_at"),
                tenant == null ? null : new TenantId(tenant),
                row.getString("key_id"),
                row.getString("model"),
                row.getString("adapter"),
                row.getLong("requests"),
                row.getLong("prompt_tokens"),
                row.getLong("cached_tokens"),
                row.getLong("completion_tokens"),
                row.getLong("engine_ms"),
                whole(row.getBigDecimal("cost_picos")));
    }

    private static BigInteger whole(BigDecimal number) {
        return number.toBigIntegerExact();
    }

    private static RecordedEvent event(ResultSet row, int number) throws SQLException {
        return new RecordedEvent(
                new UsageEvent(
                        row.getString("request_id"),
                        new TenantId(row.getObject("tenant_id", UUID.class)),
                        row.getString("key_id"),
                        row.getString("model"),
                        row.getString("adapter"),
                        row.getString("adapter_version"),
                        row.getLong("prompt_tokens"),
                        row.getLong("cached_tokens"),
                        row.getLong("completion_tokens"),
                        row.getString("finish_reason"),
                        Columns.moment(row, "started_at"),
                        Columns.instant(row, "scheduled_at").orElse(null),
                        Columns.instant(row, "first_token_at").orElse(null),
                        Columns.moment(row, "finished_at"),
                        row.getLong("engine_ms")),
                Columns.moment(row, "admitted_at"),
                row.getLong("cost_picos"));
    }
}
