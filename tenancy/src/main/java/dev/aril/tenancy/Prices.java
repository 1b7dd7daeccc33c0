package dev.aril.tenancy;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.UUID;
import org.springframework.dao.DuplicateKeyException;
import org.springframework.jdbc.core.simple.JdbcClient;

/** What do tokens cost? All calls block. */
public final class Prices {
    /** A price "from now on" may have been typed a moment ago. */
    private static final Duration TYPING = Duration.ofMinutes(1);

    private final RowSecurity rows;
    private final JdbcClient sql;
    private final AuditLog audit;
    private final InstantSource clock;

    Prices(RowSecurity rows, JdbcClient sql, AuditLog audit, InstantSource clock) {
        this.rows = rows;
        this.sql = sql;
        this.audit = audit;
        this.clock = clock;
    }

    /** All prices, by model, tenant, adapter and time. */
    public List<Price> list() {
        return rows.ofAll(() ->
                sql.sql(
                                """
                                select model, tenant_id, adapter, prompt, cached, completion,
                                       valid_from
                                from prices order by model, tenant_id, adapter, valid_from
                                """)
                        .query(Prices::price)
                        .list());
    }

    /**
     * Adds a price; what is in the ledger keeps the price of its time. The most specific one
     * counts: tenant and adapter, tenant, adapter, model.
     *
     * @throws IllegalArgumentException if it would begin in the past, or is there already
     */
    public void set(Actor by, Price price) {
        if (price.validFrom().isBefore(clock.instant().minus(TYPING))) {
            throw new IllegalArgumentException(
                    "valid_from must not be in the past: what is recorded keeps its price");
        }
        try {
            audit.act(
                    by,
                    "price.set",
                    price.tenant(),
                    price.adapter() == null ? price.model() : price.model() + " " + price.adapter(),
                    "prompt "
                            + price.prompt()
                            + ", cached "
                            + price.cached()
                            + ", completion "
                            + price.completion()
                            + " micro-units for a million tokens from "
                            + price.validFrom(),
                    () ->
                            sql.sql(
                                            """
                                            insert into prices (
                                                model, tenant_id, adapter, prompt, cached,
                                                completion, valid_from)
                                            values (
                                                :model, :tenant::uuid, :adapter, :prompt, :cached,
                                                :completion, :from)
                                            """)
                                    .param("model", price.model())
                                    .param(
                                            "tenant",
                                            price.tenant() == null ? null : price.tenant().value())
                                    .param("adapter", price.adapter())
                                    .param("prompt", price.prompt())
                                    .param("cached", price.cached())
                                    .param("completion", price.completion())
                                    .param("from", Columns.time(price.validFrom()))
                                    .update());
        } catch (DuplicateKeyException e) {
            throw new IllegalArgumentException(
                    "there is a price of that moment; choose another valid_from");
        }
    }

    /**
     * What an event costs by the prices at a time, in millionths of a micro-unit; 0 without one.
     */
    public long cost(UsageEvent event, Instant at) {
        return rows.ofAll(() ->
                sql.sql(
                                """
                                select usage_cost(
                                    :tenant, :model, :adapter::text, :prompt, :cached, :completion,
                                    :at)
                                """)
                        .param("tenant", event.tenant().value())
                        .param("model", event.model())
                        .param("adapter", event.adapter())
                        .param("prompt", event.promptTokens())
                        .param("cached", event.cachedTokens())
                        .param("completion", event.completionTokens())
                        .param("at", Columns.time(at))
                        .query(Long.class)
                        .single());
    }

    private static Price price(ResultSet row, int number) throws SQLException {
        UUID tenant = row.getObject("tenant_id", UUID.class);
        return new Price(
                row.getString("model"),
                tenant == null ? null : new TenantId(tenant),
                row.getString("adapter"),
                row.getLong("prompt"),
                row.getLong("cached"),
                row.getLong("completion"),
                Columns.moment(row, "valid_from"));
    }
}
