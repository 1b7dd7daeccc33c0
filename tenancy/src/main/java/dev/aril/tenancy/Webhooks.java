package dev.aril.tenancy;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.springframework.jdbc.core.simple.JdbcClient;

/** Who is told of warnings, and were they? All calls block. */
public final class Webhooks {
    /** An endpoint with the secret its messages are signed with. */
    public record Registered(WebhookEndpoint endpoint, String secret) {
        @Override
        public String toString() {
            return "Registered[" + endpoint.id() + "]";
        }
    }

    private final RowSecurity rows;
    private final JdbcClient sql;
    private final AuditLog audit;
    private final WebhookAddresses addresses;
    private final Pepper key;
    private final InstantSource clock;

    Webhooks(
            RowSecurity rows,
            JdbcClient sql,
            AuditLog audit,
            WebhookAddresses addresses,
            Pepper key,
            InstantSource clock) {
        this.rows = rows;
        this.sql = sql;
        this.audit = audit;
        this.addresses = addresses;
        this.key = key;
        this.clock = clock;
    }

    /**
     * @param tenant null for the warnings of all tenants
     * @param url https, or http where a setting allows it; not to a private address
     * @throws IllegalArgumentException that says what is wrong with the URL
     * @throws Absent if there is no such tenant
     */
    public Registered register(Actor by, @Nullable TenantId tenant, URI url) {
        @Nullable String fault = addresses.faultOf(url);
        if (fault == null) {
            fault = addresses.faultOfHost(url);
        }
        if (fault != null) {
            throw new IllegalArgumentException(fault);
        }
        WebhookEndpoint endpoint =
                new WebhookEndpoint(
                        UUID.randomUUID(), tenant, url, true, Columns.stored(clock.instant()));
        audit.act(
                by,
                "webhook.register",
                tenant,
                endpoint.id().toString(),
                "host " + url.getHost(),
                () -> {
                    int made =
                            sql.sql(
                                            """
                                            insert into webhook_endpoints (
                                                id, tenant_id, url, active, created_at)
                                            select :id, :tenant::uuid, :url, true, :now
                                            where :tenant::uuid is null or exists (
                                                select from tenants
                                                where id = :tenant::uuid and status <> 'purged')
                                            """)
                                    .param("id", endpoint.id())
                                    .param("tenant", tenant == null ? null : tenant.value())
                                    .param("url", url.toString())
                                    .param("now", Columns.time(endpoint.createdAt()))
                                    .update();
                    if (made == 0) {
                        throw new Absent("there is no tenant " + tenant);
                    }
                    return made;
                });
        return new Registered(endpoint, secret(endpoint.id()));
    }

    /**
     * What an endpoint's messages are signed with: follows from the server's key, stored nowhere.
     */
    String secret(UUID endpoint) {
        return "whsec_"
                + HexFormat.of()
                        .formatHex(
                                key.hash(endpoint.toString().getBytes(StandardCharsets.US_ASCII)));
    }

    /** A tenant's endpoints, or with null those of all tenants' warnings. */
    public List<WebhookEndpoint> endpoints(@Nullable TenantId tenant) {
        return rows.ofAll(() ->
                sql.sql(
                                """
                                select id, tenant_id, url, active, created_at from webhook_endpoints
                                where tenant_id is not distinct from :tenant::uuid
                                order by created_at, id
                                """)
                        .param("tenant", tenant == null ? null : tenant.value())
                        .query(Webhooks::endpoint)
                        .list());
    }

    /**
     * Its deliveries go with it.
     *
     * @throws Absent if there is no such endpoint
     */
    public void remove(Actor by, UUID endpoint) {
        audit.act(
                by,
                "webhook.remove",
                null,
                endpoint.toString(),
                "",
                () -> {
                    int removed =
                            sql.sql("delete from webhook_endpoints where id = :id")
                                    .param("id", endpoint)
                                    .update();
                    if (removed == 0) {
                        throw new Absent("there is no webhook " + endpoint);
                    }
                    return removed;
                });
    }

    /**
     * Deliveries, newest first.
     *
     * @param tenant null for all
     * @param after what the page before said, null for the first
     * @param limit 1 to 1000
     */
    public Page<WebhookDelivery> deliveries(
            @Nullable TenantId tenant, @Nullable String after, int limit) {
        Columns.page(limit);
        @Nullable Long micros = Page.number(after);
        List<WebhookDelivery> found =
                rows.ofAll(() ->
                        sql.sql(
                                        """
                                        select d.id, d.endpoint_id, d.tenant_id, e.type, e.payload,
                                               d.state, d.attempts, d.next_at, d.last_error,
                                               d.created_at
                                        from webhook_deliveries d
                                        join webhook_events e on e.id = d.event_id
                                        where (:tenant::uuid is null or d.tenant_id = :tenant::uuid)
                                          and (:after::timestamptz is null
                                               or d.created_at < :after::timestamptz)
                                        order by d.created_at desc, d.id limit :limit
                                        """)
                                .param("tenant", tenant == null ? null : tenant.value())
                                .param(
                                        "after",
                                        Columns.timeOrNull(
                                                micros == null
                                                        ? null
                                                        : Instant.EPOCH.plus(
                                                                micros, ChronoUnit.MICROS)))
                                .param("limit", limit + 1)
                                .query(Webhooks::delivery)
                                .list());
        return Page.of(
                found,
                limit,
                d -> Long.toString(ChronoUnit.MICROS.between(Instant.EPOCH, d.createdAt())));
    }

    /**
     * Tries a dead delivery again.
     *
     * @throws Absent if there is no dead delivery of that id
     */
    public void redrive(Actor by, UUID delivery) {
        audit.act(
                by,
                "webhook.redrive",
                null,
                delivery.toString(),
                "",
                () -> {
                    int driven =
                            sql.sql(
                                            """
                                            update webhook_deliveries
                                            set state = 'pending', attempts = 0, next_at = :now
                                            where id = :id and state = 'dead'
                                            """)
                                    .param("now", Columns.time(clock.instant()))
                                    .param("id", delivery)
                                    .update();
                    if (driven == 0) {
                        throw new Absent("there is no dead delivery " + delivery);
                    }
                    return driven;
                });
    }

    private static WebhookEndpoint endpoint(ResultSet row, int number) throws SQLException {
        UUID tenant = row.getObject("tenant_id", UUID.class);
        return new WebhookEndpoint(
                row.getObject("id", UUID.class),
                tenant == null ? null : new TenantId(tenant),
                URI.create(row.getString("url")),
                row.getBoolean("active"),
                Columns.moment(row, "created_at"));
    }

    private static WebhookDelivery delivery(ResultSet row, int number) throws SQLException {
        return new WebhookDelivery(
                row.getObject("id", UUID.class),
                row.getObject("endpoint_id", UUID.class),
                new TenantId(row.getObject("tenant_id", UUID.class)),
                row.getString("type"),
                row.getString("payload"),
                WebhookDelivery.State.valueOf(row.getString("state").toUpperCase(Locale.ROOT)),
                row.getInt("attempts"),
                Columns.instant(row, "next_at").orElse(null),
                row.getString("last_error"),
                Columns.moment(row, "created_at"));
    }
}
