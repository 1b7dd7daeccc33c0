package dev.aril.tenancy;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.springframework.jdbc.core.simple.JdbcClient;

/** What was spent? Append-only, one row a generation. All calls block on SQL. */
public final class UsageLedger {
    private final JdbcClient sql;

    UsageLedger(JdbcClient sql) {
        this.sql = sql;
    }

    /**
     * Commits the entry; the same generation a second time changes nothing.
     *
     * @return whether the row is new
     */
    public boolean record(UsageEntry entry) {
        return sql.sql(
                                """
                                insert into usage_events (
                                    generation_id, tenant_id, model, adapter_digest, prompt_tokens,
                                    completion_tokens, finish_reason, started_at, finished_at)
                                values (
                                    :generation, :tenant, :model, :digest, :prompt,
                                    :completion, :reason, :started, :finished)
                                on conflict (generation_id) do nothing
                                """)
                        .param("generation", entry.generationId())
                        .param("tenant", entry.tenant().value())
                        .param("model", entry.model())
                        .param("digest", entry.adapterDigest())
                        .param("prompt", entry.promptTokens())
                        .param("completion", entry.completionTokens())
                        .param("reason", entry.finishReason())
                        .param("started", timestamp(entry.startedAt()))
                        .param("finished", timestamp(entry.finishedAt()))
                        .update()
                == 1;
    }

    /**
     * A tenant's entries that finished from {@code from} up to, not including, {@code until}, in
     * that order.
     */
    public List<UsageEntry> entries(TenantId tenant, Instant from, Instant until) {
        return sql.sql(
                        """
                        select generation_id, tenant_id, model, adapter_digest, prompt_tokens,
                               completion_tokens, finish_reason, started_at, finished_at
                        from usage_events
                        where tenant_id = :tenant
                          and finished_at >= :from and finished_at < :until
                        order by finished_at, generation_id
                        """)
                .param("tenant", tenant.value())
                .param("from", timestamp(from))
                .param("until", timestamp(until))
                .query(UsageLedger::entry)
                .list();
    }

    /**
     * Sums of usage by buckets of time, oldest first; buckets come whole: a page never ends inside
     * one.
     *
     * @param after what the page before said, null for the first
     * @param buckets how many buckets with usage a page has at most
     */
    public Page<UsageBucket> buckets(UsageQuery query, @Nullable String after, int buckets) {
        throw new UnsupportedOperationException();
    }

    /**
     * A tenant's events, newest first.
     *
     * @param after what the page before said, null for the first
     */
    public Page<RecordedEvent> recent(TenantId tenant, @Nullable String after, int limit) {
        throw new UnsupportedOperationException();
    }

    /**
     * Hands over events in the order of their admission, without holding them all.
     *
     * @param tenant null for all tenants, which only an administrator may ask
     */
    public void export(
            @Nullable TenantId tenant, Instant from, Instant until, Consumer<RecordedEvent> to) {
        throw new UnsupportedOperationException();
    }

    /** Makes the rollups of a time anew from the events; exact while others write. */
    public void rebuildRollups(Instant from, Instant until) {
        throw new UnsupportedOperationException();
    }

    /** Compares every counter with the rows it counts; exact while others write. */
    public Conservation conservation() {
        throw new UnsupportedOperationException();
    }

    private static UsageEntry entry(ResultSet row, int number) throws SQLException {
        return new UsageEntry(
                row.getString("generation_id"),
                new TenantId(row.getObject("tenant_id", UUID.class)),
                row.getString("model"),
                row.getString("adapter_digest"),
                row.getInt("prompt_tokens"),
                row.getInt("completion_tokens"),
                row.getString("finish_reason"),
                row.getObject("started_at", OffsetDateTime.class).toInstant(),
                row.getObject("finished_at", OffsetDateTime.class).toInstant());
    }

    /** The driver takes no Instant. */
    private static OffsetDateTime timestamp(Instant instant) {
        return instant.atOffset(ZoneOffset.UTC);
    }
}
