package dev.aril.tenancy;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Ticker;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Whose is this bearer key? */
public final class ApiKeys {
    /** How long an answer is believed, and so how long a revoked key may still work. */
    static final Duration REMEMBERED = Duration.ofSeconds(1);

    private static final int MOST_REMEMBERED = 10_000;
    private static final byte[] NO_HASH = new byte[32];

    /** A valid key's owner, until it expires. */
    private record Known(Tenant tenant, Instant expiresAt) {}

    private final ApiKeyRows keys;
    private final TenantRows tenants;
    private final Pepper pepper;
    private final InstantSource clock;
    private final SecureRandom random;

    /** By the key's peppered hash, so that the heap holds no usable key longer than its request. */
    private final Cache<String, Optional<Known>> seen;

    ApiKeys(
            ApiKeyRows keys,
            TenantRows tenants,
            Pepper pepper,
            InstantSource clock,
            Ticker ticker,
            SecureRandom random) {
        this.keys = keys;
        this.tenants = tenants;
        this.pepper = pepper;
        this.clock = clock;
        this.random = random;
        this.seen =
                Caffeine.newBuilder()
                        .maximumSize(MOST_REMEMBERED)
                        .expireAfterWrite(REMEMBERED)
                        .ticker(ticker)
                        .build();
    }

    /**
     * Makes a key. Blocks on SQL.
     *
     * @param label for people, 1 to 100 characters, no control characters
     * @return the whole key; it is not stored and cannot be shown again
     * @throws IllegalArgumentException if the label is malformed or the tenant unknown
     */
    public String issue(TenantId tenant, String label) {
        if (label.isBlank()
                || label.codePointCount(0, label.length()) > 100
                || label.chars().anyMatch(Character::isISOControl)) {
            throw new IllegalArgumentException(
                    "label must have 1 to 100 characters, none of them a control character");
        }
        TenantRow owner =
                tenants.findById(tenant.value())
                        .orElseThrow(
                                () -> new IllegalArgumentException("no tenant has id " + tenant));
        BearerKey key = BearerKey.random(random);
        keys.saveAndFlush(
                new ApiKeyRow(
                        UUID.randomUUID(),
                        owner,
                        key.keyId(),
                        pepper.hash(key.hashed()),
                        label,
                        clock.instant()));
        return key.reveal();
    }

    /**
     * Makes a key.
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
        throw new UnsupportedOperationException();
    }

    /**
     * Gives a key a new secret under the same key id; the present one works on for a while, any
     * older one no longer.
     *
     * @throws Absent if the tenant has no such key
     * @throws KeyRefused if it is revoked or expired, or the overlap is longer than 30 days
     */
    public IssuedKey rotate(Actor by, TenantId tenant, String keyId, Duration overlap) {
        throw new UnsupportedOperationException();
    }

    /** Refuses the key from now on, within a second everywhere; again is no error. */
    public ApiKey revoke(Actor by, TenantId tenant, String keyId) {
        throw new UnsupportedOperationException();
    }

    /** A tenant's keys, newest first, revoked ones included. */
    public List<ApiKey> list(TenantId tenant) {
        throw new UnsupportedOperationException();
    }

    public Optional<ApiKey> find(TenantId tenant, String keyId) {
        throw new UnsupportedOperationException();
    }

    /**
     * Who presents this key? As {@link #authenticate}, with the key's id and scopes.
     *
     * @throws QuotaUnavailable if the database does not answer and the key was not just seen
     */
    public Optional<Bearer> identify(String presented) {
        throw new UnsupportedOperationException();
    }

    /**
     * The active tenant that owns a key. Blocks on SQL when the key was not seen within the last
     * second; a malformed key is refused without any I/O.
     */
    public Optional<Tenant> authenticate(String presented) {
        return BearerKey.parse(presented).flatMap(this::owner);
    }

    private Optional<Tenant> owner(BearerKey key) {
        byte[] hash = pepper.hash(key.hashed());
        String name = HexFormat.of().formatHex(hash);
        Optional<Known> known = seen.get(name, _ -> lookUp(key, hash));
        return known.filter(k -> clock.instant().isBefore(k.expiresAt())).map(Known::tenant);
    }

    private Optional<Known> lookUp(BearerKey key, byte[] hash) {
        Optional<ApiKeyRow> row = keys.findWithTenant(key.keyId());
        // Compared even when there is no such row, so that the time does not tell which ids exist.
        byte[] stored = row.map(ApiKeyRow::secretHash).orElse(NO_HASH);
        boolean right = MessageDigest.isEqual(hash, stored);
        return row.filter(r -> right && !r.revoked() && r.owner().active())
                .map(r -> new Known(r.owner().tenant(), r.expiresAt()));
    }
}
