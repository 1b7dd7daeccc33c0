package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The life of a key, seen from several servers. */
@SuppressWarnings("NullAway.Init") // made before each
class ApiKeysTest {
    private static final Actor ADMIN = new Actor("ada", "test");

    @TempDir static Path folder;
    private static Replicas replicas;

    private Tenancy server;
    private ApiKeys keys;
    private Tenant tenant;

    @BeforeAll
    static void start() throws IOException {
        replicas = new Replicas(folder, 2);
        // the third never hears a notification
        replicas.start(false);
    }

    @AfterAll
    static void stop() {
        replicas.close();
    }

    @BeforeEach
    void aTenant() {
        server = replicas.get(0);
        keys = server.keys();
        tenant = server.tenants().create("t-" + UUID.randomUUID());
    }

    @AfterEach
    void now() {
        replicas.ahead.set(Duration.ZERO);
    }

    @Test
    void aKeySaysWhoseItIsAndWhatItMay() {
        IssuedKey issued =
                keys.create(ADMIN, tenant.id(), "laptop", EnumSet.of(KeyScope.USAGE), null);
        Bearer bearer = keys.identify(issued.secret()).orElseThrow();
        assertThat(bearer.tenant()).isEqualTo(tenant);
        assertThat(bearer.keyId()).isEqualTo(issued.key().keyId());
        assertThat(bearer.may(KeyScope.USAGE)).isTrue();
        assertThat(bearer.may(KeyScope.INFERENCE)).isFalse();
        assertThat(keys.list(tenant.id())).containsExactly(issued.key());
        assertThat(issued.toString()).doesNotContain(issued.secret());
    }

    @Test
    void revocationIsHeardOfWithinASecondEvenWithoutNotifications() throws Exception {
        IssuedKey issued = keys.create(ADMIN, tenant.id(), "k", KeyScope.ALL, null);
        for (Tenancy replica : replicas.all()) {
            assertThat(replica.keys().identify(issued.secret())).isPresent();
        }
        keys.revoke(ADMIN, tenant.id(), issued.key().keyId());
        // No clock of a test machine is to be trusted: the bound is checked by what is remembered.
        Thread.sleep(KeyWatch.GOOD_FOR);
        for (Tenancy replica : replicas.all()) {
            assertThat(replica.keys().identify(issued.secret())).isEmpty();
        }
        keys.revoke(ADMIN, tenant.id(), issued.key().keyId());
    }

    @Test
    void suspensionAndDeletionRefuseAllKeysAndCanBeUndone() throws Exception {
        IssuedKey issued = keys.create(ADMIN, tenant.id(), "k", KeyScope.ALL, null);
        Tenants tenants = server.tenants();
        tenants.suspend(ADMIN, tenant.id());
        Thread.sleep(KeyWatch.GOOD_FOR);
        assertThat(replicas.get(2).keys().identify(issued.secret())).isEmpty();
        tenants.resume(ADMIN, tenant.id());
        tenants.delete(ADMIN, tenant.id(), Duration.ofDays(7));
        assertThatThrownBy(() -> tenants.resume(ADMIN, tenant.id()))
                .isInstanceOf(TenantRefused.class)
                .hasMessageContaining("restore");
        Thread.sleep(KeyWatch.GOOD_FOR);
        assertThat(replicas.get(1).keys().identify(issued.secret())).isEmpty();
        tenants.restore(ADMIN, tenant.id());
        Thread.sleep(KeyWatch.GOOD_FOR);
        assertThat(replicas.get(1).keys().identify(issued.secret())).isPresent();
    }

    @Test
    void aRotationUnderLoadFailsNoRequest() throws Exception {
        IssuedKey first = keys.create(ADMIN, tenant.id(), "k", KeyScope.ALL, null);
        AtomicBoolean over = new AtomicBoolean();
        AtomicInteger refused = new AtomicInteger();
        AtomicInteger asked = new AtomicInteger();
        String[] inUse = {first.secret()};
        ReadWriteLock using = new ReentrantReadWriteLock(true);
        Thread[] callers = new Thread[3];
        for (int i = 0; i < callers.length; i++) {
            ApiKeys at = replicas.get(i).keys();
            callers[i] =
                    Thread.ofVirtual()
                            .start(() -> {
                                while (!over.get()) {
                                    using.readLock().lock();
                                    try {
                                        asked.incrementAndGet();
                                        if (at.identify(inUse[0]).isEmpty()) {
                                            refused.incrementAndGet();
                                        }
                                    } finally {
                                        using.readLock().unlock();
                                    }
                                }
                            });
        }
        for (int i = 0; i < 10; i++) {
            IssuedKey next =
                    keys.rotate(ADMIN, tenant.id(), first.key().keyId(), Duration.ofHours(1));
            Thread.sleep(20);
            // Once nobody uses the one before any more: a third secret ends the first.
            using.writeLock().lock();
            inUse[0] = next.secret();
            using.writeLock().unlock();
        }
        over.set(true);
        for (Thread caller : callers) {
            caller.join();
        }
        assertThat(asked).hasValueGreaterThan(100);
        assertThat(refused).hasValue(0);
    }

    @Test
    void theOldSecretEndsWithTheOverlap() throws Exception {
        IssuedKey first = keys.create(ADMIN, tenant.id(), "k", KeyScope.ALL, null);
        String id = first.key().keyId();
        IssuedKey second = keys.rotate(ADMIN, tenant.id(), id, Duration.ofHours(1));
        assertThat(second.key().keyId()).isEqualTo(id);
        Thread.sleep(KeyWatch.GOOD_FOR);
        assertThat(keys.identify(first.secret())).isPresent();
        assertThat(keys.identify(second.secret())).isPresent();
        replicas.ahead.set(Duration.ofHours(1).plusSeconds(1));
        assertThat(keys.identify(first.secret())).isEmpty();
        assertThat(keys.identify(second.secret())).isPresent();
        replicas.ahead.set(Duration.ZERO);
        IssuedKey third = keys.rotate(ADMIN, tenant.id(), id, Duration.ZERO);
        Thread.sleep(KeyWatch.GOOD_FOR);
        assertThat(keys.identify(first.secret())).isEmpty();
        assertThat(keys.identify(second.secret())).isEmpty();
        assertThat(keys.identify(third.secret())).isPresent();
    }

    @Test
    void anExpiredKeyIsRefusedEvenWhenJustSeen() {
        Instant end = Instant.now().plusSeconds(100);
        IssuedKey issued = keys.create(ADMIN, tenant.id(), "k", KeyScope.ALL, end);
        assertThat(keys.identify(issued.secret())).isPresent();
        replicas.ahead.set(Duration.ofSeconds(101));
        assertThat(keys.identify(issued.secret())).isEmpty();
        assertThatThrownBy(
                        () -> keys.rotate(ADMIN, tenant.id(), issued.key().keyId(), Duration.ZERO))
                .isInstanceOf(KeyRefused.class)
                .hasMessageContaining("expired");
    }

    @Test
    void aMalformedKeyOrOneSeenBeforeCostsNoSql() throws Exception {
        Tenancy alone = replicas.start(false);
        IssuedKey issued = keys.create(ADMIN, tenant.id(), "k", KeyScope.ALL, null);
        String unknown = BearerKey.random(new SecureRandom()).reveal();
        assertThat(alone.keys().identify(issued.secret())).isPresent();
        assertThat(alone.keys().identify(unknown)).isEmpty();
        // Without the table every question to the database is an error.
        replicas.sql().sql("alter table api_keys rename to api_keys_away").update();
        try {
            assertThat(alone.keys().identify("aril_nonsense")).isEmpty();
            assertThat(alone.keys().identify(issued.secret() + "x")).isEmpty();
            assertThat(alone.keys().identify(issued.secret())).isPresent();
            assertThat(alone.keys().identify(unknown)).isEmpty();
            assertThatThrownBy(() ->
                            alone.keys().identify(BearerKey.random(new SecureRandom()).reveal()))
                    .isInstanceOf(QuotaUnavailable.class);
        } finally {
            replicas.sql().sql("alter table api_keys_away rename to api_keys").update();
        }
    }

    @Test
    void nothingIsMadeOfNonsenseOrForNobody() {
        for (String label : new String[] {"", " ", "a\0", "x".repeat(101)}) {
            assertThatThrownBy(() -> keys.create(ADMIN, tenant.id(), label, KeyScope.ALL, null))
                    .isInstanceOf(KeyRefused.class)
                    .hasMessageContaining("label");
        }
        assertThatThrownBy(() -> keys.create(ADMIN, tenant.id(), "k", Set.of(), null))
                .hasMessageContaining("scopes");
        assertThatThrownBy(() -> keys.create(ADMIN, tenant.id(), "k", KeyScope.ALL, Instant.EPOCH))
                .hasMessageContaining("expires_at");
        TenantId nobody = new TenantId(UUID.randomUUID());
        assertThatThrownBy(() -> keys.create(ADMIN, nobody, "k", KeyScope.ALL, null))
                .isInstanceOf(Absent.class);
        // another tenant's key is as good as absent
        Tenant other = server.tenants().create("o-" + UUID.randomUUID());
        IssuedKey theirs = keys.create(ADMIN, other.id(), "k", KeyScope.ALL, null);
        String id = theirs.key().keyId();
        assertThat(keys.find(tenant.id(), id)).isEmpty();
        assertThatThrownBy(() -> keys.revoke(ADMIN, tenant.id(), id)).isInstanceOf(Absent.class);
        assertThatThrownBy(() -> keys.rotate(ADMIN, tenant.id(), id, Duration.ZERO))
                .isInstanceOf(Absent.class);
        assertThat(keys.identify(theirs.secret())).isPresent();
    }
}
