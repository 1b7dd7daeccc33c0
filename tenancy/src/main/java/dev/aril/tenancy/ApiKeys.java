package dev.aril.tenancy;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.security.MessageDigest;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.transaction.TransactionException;

/** Whose is this bearer key, and which keys does a tenant have? */
public final class ApiKeys {
    private static final int MOST_REMEMBERED = 100_000;
    private static final Duration REMEMBERED = Duration.ofMinutes(10);
    private static final byte[] NO_HASH = new byte[32];

    /**
     * What was found out about a key.
     *
     * @param until when a right key stops being one by itself
     * @param revision of keys and tenants, before the database was asked
     */
    private record Known(Optional<Bearer> bearer, Instant until, long revision) {}

    private record Found(
            Bearer bearer, byte[] hash, byte[] previous, Instant until, Instant previousUntil) {}

    private final KeyRing ring;
    private final RowSecurity rows;
    private final JdbcClient sql;
    private final Pepper pepper;
    private final KeyWatch watch;
    private final InstantSource clock;

    /** By the key's peppered hash, so that the heap holds no usable key longer than its request. */
    private final Cache<String, Known> seen =
            Caffeine.newBuilder().maximumSize(MOST_REMEMBERED).expireAfterWrite(REMEMBERED).build();

    ApiKeys(
            KeyRing ring,
            RowSecurity rows,
            JdbcClient sql,
            Pepper pepper,
            KeyWatch watch,
            InstantSource clock) {
        this.ring = ring;
        this.rows = rows;
        this.sql = sql;
        this.pepper = pepper;
        this.watch = watch;
        this.clock = clock;
    }

    /**
     * The active tenant that presents a valid key, with the key's id and scopes. A malformed key is
     * refused without any I/O, and one seen before costs none as long as it is known that no key
     * has changed; else this blocks on SQL.
     *
     * @throws QuotaUnavailable if the database would have to be asked and does not answer
     */
    public Optional<Bearer> identify(String presented) {
        return BearerKey.parse(presented).flatMap(this::bearer);
    }

    /**
     * Makes a key. Blocks on SQL, as all that follow.
     *
     * @param label for people, 1 to 100 characters, no control characters
     * @param expiresAt null for never
     * @throws KeyRefused if something is malformed
     * @throws Absent if there is no such tenant
     */
    public IssuedKey create(
            Actor by,
            TenantId tenant,
            String label,
            Set<KeyScope> scopes,
            @Nullable Instant expiresAt) {
        return ring.create(by, tenant, label, scopes, expiresAt);
    }

    /**
     * Makes a key by the server itself, with all scopes and without an end.
     *
     * @return the whole key; it is not stored and cannot be shown again
     * @throws KeyRefused if the label is malformed
     * @throws Absent if there is no such tenant
     */
    public String issue(TenantId tenant, String label) {
        return ring.create(Actor.SERVER, tenant, label, KeyScope.ALL, null).secret();
    }

    /**
     * Gives a key a new secret under the same key id; the present one works on for a while, any
     * older one no longer.
     *
     * @throws Absent if the tenant has no such key
     * @throws KeyRefused if it is revoked or expired, or the overlap is longer than 30 days
     */
    public IssuedKey rotate(Actor by, TenantId tenant, String keyId, Duration overlap) {
        return ring.rotate(by, tenant, keyId, overlap);
    }

    /**
     * Refuses the key from now on, within a second everywhere; again is no error.
     *
     * @throws Absent if the tenant has no such key
     */
    public ApiKey revoke(Actor by, TenantId tenant, String keyId) {
        return ring.revoke(by, tenant, keyId);
    }

    /** A tenant's keys, newest first, revoked ones included. */
    public List<ApiKey> list(TenantId tenant) {
        return ring.list(tenant);
    }

    /** Empty for another tenant's key too. */
    public Optional<ApiKey> find(TenantId tenant, String keyId) {
        return ring.find(tenant, keyId);
    }

    /** The tenant alone; see {@link #identify}. */
    public Optional<Tenant> authenticate(String presented) {
        return identify(presented).map(Bearer::tenant);
    }

    private Optional<Bearer> bearer(BearerKey key) {
        byte[] hash = pepper.hash(key.hashed());
        String name = HexFormat.of().formatHex(hash);
        OptionalLong revision = watch.revision();
        Known known = revision.isPresent() ? seen.getIfPresent(name) : null;
        if (known == null || known.revision() != revision.getAsLong()) {
            known = lookUp(key, hash, revision.orElse(-1));
            if (revision.isPresent()) {
                seen.put(name, known);
            }
        }
        return clock.instant().isBefore(known.until()) ? known.bearer() : Optional.empty();
    }

    private Known lookUp(BearerKey key, byte[] hash, long revision) {
        Optional<Found> row;
        try {
            row = rows.ofAll(() -> findRow(key.keyId()));
        } catch (DataAccessException | TransactionException e) {
            throw new QuotaUnavailable("the database does not know who asks", e);
        }
        // Compared even when there is no such row, so that the time does not tell which ids exist.
        boolean present = MessageDigest.isEqual(hash, row.map(Found::hash).orElse(NO_HASH));
        boolean previous = MessageDigest.isEqual(hash, row.map(Found::previous).orElse(NO_HASH));
        return row.filter(_ -> present || previous)
                .map(r ->
                        new Known(
                                Optional.of(r.bearer()),
                                present ? r.until() : earlier(r.until(), r.previousUntil()),
                                revision))
                .orElse(new Known(Optional.empty(), Instant.MAX, revision));
    }

    private Optional<Found> findRow(String keyId) {
        return sql.sql(
                        """
                        select k.key_id, k.secret_hash, k.previous_hash, k.previous_until,
                               k.expires_at, k.scopes, t.id, t.name
                        from api_keys k join tenants t on t.id = k.tenant_id
                        where k.key_id = :key and k.revoked_at is null and t.status = 'active'
                        """)
                .param("key", keyId)
                .query((row, _) -> found(row))
                .optional();
    }

    private static Found found(ResultSet row) throws SQLException {
        byte[] previous = row.getBytes("previous_hash");
        return new Found(
                new Bearer(
                        new Tenant(
                                new TenantId(row.getObject("id", UUID.class)),
                                row.getString("name")),
                        row.getString("key_id"),
                        scopes(row)),
                row.getBytes("secret_hash"),
                previous == null ? NO_HASH : previous,
                Columns.instant(row, "expires_at").orElse(Instant.MAX),
                Columns.instant(row, "previous_until").orElse(Instant.MIN));
    }

    static Set<KeyScope> scopes(ResultSet row) throws SQLException {
        return Columns.texts(row, "scopes").stream()
                .map(KeyScope::of)
                .collect(java.util.stream.Collectors.toSet());
    }

    private static Instant earlier(Instant one, Instant other) {
        return one.isBefore(other) ? one : other;
    }
}
