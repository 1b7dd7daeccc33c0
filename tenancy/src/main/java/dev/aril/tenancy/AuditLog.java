package dev.aril.tenancy;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * What did administrators do? Append-only, each entry sealed by the one before. Calls block.
 *
 * <p>An entry's hash is SHA-256 over the hash before it (32 zeros for the first) and the entry's
 * fields, each with its length in front. Whoever notes the last hash elsewhere can tell later that
 * nothing up to it was changed, added or taken out.
 */
public final class AuditLog {
    private static final byte[] BEFORE_ALL = new byte[32];

    private final RowSecurity rows;
    private final JdbcClient sql;
    private final InstantSource clock;

    AuditLog(RowSecurity rows, JdbcClient sql, InstantSource clock) {
        this.rows = rows;
        this.sql = sql;
        this.clock = clock;
    }

    /**
     * Does something and writes it down, both or neither. This room's own acts are written down
     * without being asked; this is for others.
     *
     * @param detail what changed, for people; never a secret
     */
    public <T extends @Nullable Object> T act(
            Actor by,
            String action,
            @Nullable TenantId tenant,
            String object,
            String detail,
            Supplier<T> work) {
        return rows.ofAll(() -> {
            T done = work.get();
            append(by, action, tenant, object, detail);
            return done;
        });
    }

    private void append(
            Actor by, String action, @Nullable TenantId tenant, String object, String detail) {
        // One after the other: each needs the hash of the one before, committed.
        sql.sql("select pg_advisory_xact_lock(hashtextextended('audit_log', 4))").query(_ -> {});
        Optional<AuditEntry> last =
                sql.sql(
                                """
                                select number, at, actor, origin, action, tenant_id, object, detail,
                                       hash
                                from audit_log order by number desc limit 1
                                """)
                        .query(AuditLog::entry)
                        .optional();
        AuditEntry unsealed =
                new AuditEntry(
                        last.map(AuditEntry::number).orElse(0L) + 1,
                        Columns.stored(clock.instant()),
                        by,
                        action,
                        tenant,
                        object,
                        detail,
                        BEFORE_ALL);
        sql.sql(
                        """
                        insert into audit_log (
                            number, at, actor, origin, action, tenant_id, object, detail, hash)
                        values (
                            :number, :at, :actor, :origin, :action, :tenant, :object, :detail,
                            :hash)
                        """)
                .param("number", unsealed.number())
                .param("at", Columns.time(unsealed.at()))
                .param("actor", by.name())
                .param("origin", by.origin())
                .param("action", action)
                .param("tenant", tenant == null ? null : tenant.value())
                .param("object", object)
                .param("detail", detail)
                .param("hash", seal(last.map(AuditEntry::hash).orElse(BEFORE_ALL), unsealed))
                .update();
    }

    /**
     * Entries, newest first.
     *
     * @param tenant null for all
     * @param search part of the actor's name, the action or the object; null for all
     * @param after what the page before said, null for the first
     * @param limit 1 to 1000
     */
    public Page<AuditEntry> page(
            @Nullable TenantId tenant, @Nullable String search, @Nullable String after, int limit) {
        Columns.page(limit);
        List<AuditEntry> found =
                rows.ofAll(() ->
                        sql.sql(
                                        """
                                        select number, at, actor, origin, action, tenant_id, object,
                                               detail, hash
                                        from audit_log
                                        where (:tenant::uuid is null or tenant_id = :tenant::uuid)
                                          and (:search::text is null
                                               or strpos(actor, :search::text) > 0
                                               or strpos(action, :search::text) > 0
                                               or strpos(object, :search::text) > 0)
                                          and (:after::bigint is null or number < :after::bigint)
                                        order by number desc limit :limit
                                        """)
                                .param("tenant", tenant == null ? null : tenant.value())
                                .param("search", search)
                                .param("after", Page.number(after))
                                .param("limit", limit + 1)
                                .query(AuditLog::entry)
                                .list());
        return Page.of(found, limit, entry -> Long.toString(entry.number()));
    }

    /** Computes all hashes again. */
    public AuditVerdict verify() {
        return rows.ofAll(() -> {
            Check check = new Check();
            sql.sql(
                            """
                            select number, at, actor, origin, action, tenant_id, object, detail,
                                   hash
                            from audit_log order by number
                            """)
                    .withFetchSize(1000)
                    .query((ResultSet row) -> check.take(entry(row, 0)));
            return check.verdict();
        });
    }

    private static final class Check {
        private long number;
        private byte[] hash = BEFORE_ALL;
        private @Nullable String fault;

        void take(AuditEntry entry) {
            number++;
            if (fault == null && entry.number() != number) {
                fault = "entry " + number + " is missing";
            }
            if (fault == null && !MessageDigest.isEqual(entry.hash(), seal(hash, entry))) {
                fault = "entry " + entry.number() + " is not as it was written";
            }
            hash = entry.hash();
        }

        AuditVerdict verdict() {
            return new AuditVerdict(
                    number, number == 0 ? "" : HexFormat.of().formatHex(hash), fault);
        }
    }

    private static byte[] seal(byte[] before, AuditEntry entry) {
        try {
            MessageDigest hash = MessageDigest.getInstance("SHA-256");
            hash.update(before);
            for (String field :
                    List.of(
                            Long.toString(entry.number()),
                            entry.at().toString(),
                            entry.actor().name(),
                            entry.actor().origin(),
                            entry.action(),
                            entry.tenant() == null ? "" : entry.tenant().toString(),
                            entry.object(),
                            entry.detail())) {
                byte[] bytes = field.getBytes(StandardCharsets.UTF_8);
                hash.update((bytes.length + ":").getBytes(StandardCharsets.US_ASCII));
                hash.update(bytes);
            }
            return hash.digest();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static AuditEntry entry(ResultSet row, int number) throws SQLException {
        UUID tenant = row.getObject("tenant_id", UUID.class);
        Instant at = Columns.moment(row, "at");
        return new AuditEntry(
                row.getLong("number"),
                at,
                new Actor(row.getString("actor"), row.getString("origin")),
                row.getString("action"),
                tenant == null ? null : new TenantId(tenant),
                row.getString("object"),
                row.getString("detail"),
                row.getBytes("hash"));
    }
}
