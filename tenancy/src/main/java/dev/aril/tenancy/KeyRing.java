package dev.aril.tenancy;

import java.security.SecureRandom;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.springframework.jdbc.core.simple.JdbcClient;

/** Which keys does a tenant have? The administrators' half of {@link ApiKeys}. */
final class KeyRing {
    private static final Duration LONGEST_OVERLAP = Duration.ofDays(30);

    private final RowSecurity rows;
    private final JdbcClient sql;
    private final AuditLog audit;
    private final Pepper pepper;
    private final InstantSource clock;
    private final SecureRandom random;

    KeyRing(
            RowSecurity rows,
            JdbcClient sql,
            AuditLog audit,
            Pepper pepper,
            InstantSource clock,
            SecureRandom random) {
        this.rows = rows;
        this.sql = sql;
        this.audit = audit;
        this.pepper = pepper;
        this.clock = clock;
        this.random = random;
    }

    IssuedKey create(
            Actor by,
            TenantId tenant,
            String label,
            Set<KeyScope> scopes,
            @Nullable Instant expiresAt) {
        Instant now = Columns.stored(clock.instant());
        check(label, scopes, expiresAt, now);
        BearerKey key = BearerKey.random(random);
        return audit.act(
                by,
                "key.create",
                tenant,
                key.keyId(),
                "label " + label + ", scopes " + texts(scopes) + expiry(expiresAt),
                () -> {
                    int made =
                            sql.sql(
                                            """
                                            insert into api_keys (
                                                id, tenant_id, key_id, secret_hash, label, scopes,
                                                created_at, expires_at)
                                            select :id, t.id, :key, :hash, :label, :scopes::text[],
                                                   :now, :expires::timestamptz
                                            from tenants t
                                            where t.id = :tenant and t.status <> 'purged'
                                            """)
                                    .param("id", UUID.randomUUID())
                                    .param("tenant", tenant.value())
                                    .param("key", key.keyId())
                                    .param("hash", pepper.hash(key.hashed()))
                                    .param("label", label)
                                    .param("scopes", "{" + texts(scopes) + "}")
                                    .param("now", Columns.time(now))
                                    .param("expires", Columns.timeOrNull(expiresAt))
                                    .update();
                    if (made == 0) {
                        throw new Absent("there is no tenant " + tenant);
                    }
                    return new IssuedKey(key.reveal(), get(tenant, key.keyId()));
                });
    }

    IssuedKey rotate(Actor by, TenantId tenant, String keyId, Duration overlap) {
        if (overlap.isNegative() || overlap.compareTo(LONGEST_OVERLAP) > 0) {
            throw new KeyRefused("overlap must be between nothing and 30 days, not " + overlap);
        }
        Instant now = Columns.stored(clock.instant());
        BearerKey key = BearerKey.random(keyId, random);
        return audit.act(
                by,
                "key.rotate",
                tenant,
                keyId,
                "the secret before works for another " + overlap,
                () -> {
                    ApiKey old = get(tenant, keyId);
                    if (old.revokedAt() != null
                            || (old.expiresAt() != null && !now.isBefore(old.expiresAt()))) {
                        throw new KeyRefused(
                                "key " + keyId + " is revoked or expired; create a new one");
                    }
                    sql.sql(
                                    """
                                    update api_keys set
                                        previous_hash =
                                            case when :overlapping then secret_hash end,
                                        previous_until =
                                            case when :overlapping then :until::timestamptz end,
                                        secret_hash = :hash, rotated_at = :now
                                    where tenant_id = :tenant and key_id = :key
                                    """)
                            .param("overlapping", overlap.isPositive())
                            .param("until", Columns.time(now.plus(overlap)))
                            .param("hash", pepper.hash(key.hashed()))
                            .param("now", Columns.time(now))
                            .param("tenant", tenant.value())
                            .param("key", keyId)
                            .update();
                    return new IssuedKey(key.reveal(), get(tenant, keyId));
                });
    }

    ApiKey revoke(Actor by, TenantId tenant, String keyId) {
        return audit.act(
                by,
                "key.revoke",
                tenant,
                keyId,
                "",
                () -> {
                    sql.sql(
                                    """
                                    update api_keys set revoked_at = coalesce(revoked_at, :now)
                                    where tenant_id = :tenant and key_id = :key
                                    """)
                            .param("now", Columns.time(clock.instant()))
                            .param("tenant", tenant.value())
                            .param("key", keyId)
                            .update();
                    return get(tenant, keyId);
                });
    }

    List<ApiKey> list(TenantId tenant) {
        return rows.ofAll(() ->
                sql.sql(
                                """
                                select key_id, tenant_id, label, scopes, created_at, expires_at,
                                       revoked_at, rotated_at, previous_until
                                from api_keys where tenant_id = :tenant
                                order by created_at desc, key_id
                                """)
                        .param("tenant", tenant.value())
                        .query(KeyRing::key)
                        .list());
    }

    Optional<ApiKey> find(TenantId tenant, String keyId) {
        return rows.ofAll(() -> look(tenant, keyId));
    }

    private ApiKey get(TenantId tenant, String keyId) {
        return look(tenant, keyId).orElseThrow(() -> new Absent("the tenant has no key " + keyId));
    }

    private Optional<ApiKey> look(TenantId tenant, String keyId) {
        return sql.sql(
                        """
                        select key_id, tenant_id, label, scopes, created_at, expires_at,
                               revoked_at, rotated_at, previous_until
                        from api_keys where tenant_id = :tenant and key_id = :key
                        """)
                .param("tenant", tenant.value())
                .param("key", keyId)
                .query(KeyRing::key)
                .optional();
    }

    private static ApiKey key(ResultSet row, int number) throws SQLException {
        return new ApiKey(
                row.getString("key_id"),
                new TenantId(row.getObject("tenant_id", UUID.class)),
                row.getString("label"),
                ApiKeys.scopes(row),
                Columns.moment(row, "created_at"),
                Columns.instant(row, "expires_at").orElse(null),
                Columns.instant(row, "revoked_at").orElse(null),
                Columns.instant(row, "rotated_at").orElse(null),
                Columns.instant(row, "previous_until").orElse(null));
    }

    private static void check(
            String label, Set<KeyScope> scopes, @Nullable Instant expiresAt, Instant now) {
        if (label.isBlank()
                || label.codePointCount(0, label.length()) > 100
                || label.chars().anyMatch(Character::isISOControl)) {
            throw new KeyRefused(
                    "label must have 1 to 100 characters, none of them a control character");
        }
        if (scopes.isEmpty()) {
            throw new KeyRefused("scopes must name at least one of " + texts(KeyScope.ALL));
        }
        if (expiresAt != null && !expiresAt.isAfter(now)) {
            throw new KeyRefused("expires_at must be in the future, not " + expiresAt);
        }
    }

    private static String texts(Set<KeyScope> scopes) {
        return String.join(",", scopes.stream().map(KeyScope::text).sorted().toList());
    }

    private static String expiry(@Nullable Instant expiresAt) {
        return expiresAt == null ? "" : ", expires " + expiresAt;
    }
}
