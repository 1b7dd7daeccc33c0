package dev.aril.api;

import dev.aril.tenancy.RowSecurity;
import dev.aril.tenancy.TenantId;
import java.security.MessageDigest;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Component;

/**
 * Which answers were given under which Idempotency-Key, on any replica? All calls block on SQL.
 *
 * <p>An answer under way belongs to the process that makes it, as long as that renews its lease.
 */
@Component
class IdempotentAnswers {
    /** How long an answer is kept. */
    static final Duration KEPT = Duration.ofHours(24);

    /** Longer than a reservation outlives its process, which is thirty seconds. */
    private static final Duration LEASE = Duration.ofSeconds(45);

    /** One tenant's and one API key's name for a request. */
    record Slot(TenantId tenant, String keyId, String name) {}

    /** What is there under a name. */
    sealed interface Found {}

    /**
     * Nothing, or what a process left that died: it is the caller's to make now.
     *
     * @param generationId under which it is billed
     */
    record Mine(String generationId) implements Found {}

    /** Somebody makes the answer just now. */
    record UnderWay() implements Found {}

    /** The answer is there. */
    record Answered(boolean streamed, String answer) implements Found {}

    /** The name was used for another request. */
    record Different() implements Found {}

    private record Row(byte[] hash, boolean streamed, @Nullable String answer) {}

    private final JdbcClient sql;
    private final RowSecurity rows;

    /** This process. */
    private final UUID holder = UUID.randomUUID();

    IdempotentAnswers(JdbcClient sql, RowSecurity rows) {
        this.sql = sql;
        this.rows = rows;
    }

    /**
     * Takes a name, if it is free.
     *
     * @param hash of the request, 32 bytes
     * @param generationId for a new answer
     */
    Found claim(Slot slot, byte[] hash, boolean streamed, String generationId) {
        return rows.of(
                slot.tenant(),
                () -> {
                    Optional<String> mine =
                            sql.sql(
                                            """
                                            insert into idempotent_answers as a (
                                                tenant_id, key_id, name, request_hash, generation_id,
                                                streamed, holder, lease_until, expires_at)
                                            values (
                                                :tenant, :key, :name, :hash, :generation, :streamed,
                                                :holder, now() + :lease * interval '1 second',
                                                now() + :kept * interval '1 second')
                                            on conflict (tenant_id, key_id, name) do update set
                                                request_hash = excluded.request_hash,
                                                generation_id = case when a.expires_at <= now()
                                                    then excluded.generation_id
                                                    else a.generation_id end,
                                                streamed = excluded.streamed,
                                                answer = null,
                                                holder = excluded.holder,
                                                lease_until = excluded.lease_until,
                                                created_at = now(),
                                                expires_at = excluded.expires_at
                                            where a.expires_at <= now()
                                               or (a.lease_until <= now()
                                                   and a.request_hash = excluded.request_hash)
                                            returning generation_id
                                            """)
                                    .param("tenant", slot.tenant().value())
                                    .param("key", slot.keyId())
                                    .param("name", slot.name())
                                    .param("hash", hash)
                                    .param("generation", generationId)
                                    .param("streamed", streamed)
                                    .param("holder", holder)
                                    .param("lease", LEASE.toSeconds())
                                    .param("kept", KEPT.toSeconds())
                                    .query(String.class)
                                    .optional();
                    if (mine.isPresent()) {
                        return new Mine(mine.get());
                    }
                    // gone again: whoever had it failed, and the client may ask anew
                    return look(slot).map(row -> found(row, hash)).orElseGet(UnderWay::new);
                });
    }

    /** What is there by now; empty if whoever made it failed. */
    Optional<Found> look(Slot slot, byte[] hash) {
        return rows.of(slot.tenant(), () -> look(slot).map(row -> found(row, hash)));
    }

    private Optional<Row> look(Slot slot) {
        return sql.sql(
                        """
                        select request_hash, streamed, answer from idempotent_answers
                        where tenant_id = :tenant and key_id = :key and name = :name
                          and (answer is not null or lease_until > now())
                        """)
                .param("tenant", slot.tenant().value())
                .param("key", slot.keyId())
                .param("name", slot.name())
                .query(IdempotentAnswers::row)
                .optional();
    }

    private static Row row(ResultSet row, int number) throws SQLException {
        return new Row(
                row.getBytes("request_hash"), row.getBoolean("streamed"), row.getString("answer"));
    }

    private static Found found(Row row, byte[] hash) {
        if (!MessageDigest.isEqual(row.hash(), hash)) {
            return new Different();
        }
        return row.answer() == null ? new UnderWay() : new Answered(row.streamed(), row.answer());
    }

    /** Keeps an answer that this process made. */
    void keep(Slot slot, String answer) {
        rows.of(
                slot.tenant(),
                () ->
                        sql.sql(
                                        """
                                        update idempotent_answers
                                        set answer = :answer, holder = null, lease_until = null
                                        where tenant_id = :tenant and key_id = :key and name = :name
                                          and holder = :holder
                                        """)
                                .param("answer", answer)
                                .param("tenant", slot.tenant().value())
                                .param("key", slot.keyId())
                                .param("name", slot.name())
                                .param("holder", holder)
                                .update());
    }

    /** There will be no answer from this process: the name is free again. */
    void drop(Slot slot) {
        rows.of(
                slot.tenant(),
                () ->
                        sql.sql(
                                        """
                                        delete from idempotent_answers
                                        where tenant_id = :tenant and key_id = :key and name = :name
                                          and holder = :holder
                                        """)
                                .param("tenant", slot.tenant().value())
                                .param("key", slot.keyId())
                                .param("name", slot.name())
                                .param("holder", holder)
                                .update());
    }

    /** Says that this process lives, for the answers that it makes. */
    void renew() {
        rows.ofAll(() ->
                sql.sql(
                                """
                                update idempotent_answers
                                set lease_until = now() + :lease * interval '1 second'
                                where holder = :holder
                                """)
                        .param("lease", LEASE.toSeconds())
                        .param("holder", holder)
                        .update());
    }

    /** Deletes what has been kept long enough. */
    void sweep() {
        rows.ofAll(
                () -> sql.sql("delete from idempotent_answers where expires_at <= now()").update());
    }
}
