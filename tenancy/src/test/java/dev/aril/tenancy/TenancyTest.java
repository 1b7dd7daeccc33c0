package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.context.annotation.Bean;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

@SpringBootTest(properties = {"spring.flyway.locations=filesystem:../db/migration"})
class TenancyTest {
    private static final Instant NOON = Instant.parse("2026-03-01T12:00:00Z");

    @SpringBootApplication
    static class App {
        @Bean
        TenancySettings tenancySettings() throws IOException {
            Path folder = Files.createTempDirectory("tenancy-test");
            folder.toFile().deleteOnExit();
            Path pepper = folder.resolve("pepper");
            pepper.toFile().deleteOnExit();
            return new TenancySettings(pepper);
        }
    }

    private static final TestPostgres POSTGRES = TestPostgres.create();

    @DynamicPropertySource
    static void database(DynamicPropertyRegistry properties) {
        POSTGRES.serve(properties);
    }

    @Autowired Tenants tenants;
    @Autowired ApiKeys keys;
    @Autowired UsageLedger ledger;
    @Autowired TenancySettings settings;
    @Autowired RowSecurity rows;
    @Autowired AuditLog audit;
    @Autowired JdbcClient application;

    /** Behind the server's back. */
    private final JdbcClient sql = POSTGRES.sql();

    private Tenant tenant;

    @BeforeEach
    void aTenant() {
        tenant = tenants.create("t-" + UUID.randomUUID());
    }

    @Test
    void tenantsAreFoundByNameAndListedInOrder() {
        Tenant holmes = tenants.create("holmes");
        Tenant acme = tenants.create("acme");
        assertThat(tenants.find("holmes")).contains(holmes);
        assertThat(tenants.find("Holmes")).isEmpty();
        assertThat(tenants.list())
                .filteredOn(t -> Set.of("acme", "holmes").contains(t.name()))
                .containsExactly(acme, holmes);
    }

    @Test
    void aTakenOrMalformedNameIsRefused() {
        assertThatThrownBy(() -> tenants.create(tenant.name()))
                .isInstanceOf(TenantRefused.class)
                .hasMessageContaining("taken");
        for (String name : new String[] {"", "-a", "A", "a b", "a\n", "é", "a".repeat(64)}) {
            assertThatThrownBy(() -> tenants.create(name))
                    .as(name)
                    .isInstanceOf(TenantRefused.class)
                    .hasMessageContaining("name must be");
        }
        assertThat(tenants.create("a".repeat(63)).name()).hasSize(63);
    }

    @Test
    void aKeyNamesItsTenant() {
        Tenant other = tenants.create("o-" + UUID.randomUUID());
        String first = keys.issue(tenant.id(), "laptop");
        String second = keys.issue(tenant.id(), "server");
        String third = keys.issue(other.id(), "laptop");
        assertThat(Set.of(first, second, third)).hasSize(3);
        assertThat(keys.authenticate(first)).contains(tenant);
        assertThat(keys.authenticate(second)).contains(tenant);
        assertThat(keys.authenticate(third)).contains(other);
    }

    @Test
    void aKeyForNobodyOrWithoutALabelIsNotIssued() {
        assertThatThrownBy(() -> keys.issue(new TenantId(UUID.randomUUID()), "x"))
                .isInstanceOf(Absent.class)
                .hasMessageContaining("no tenant");
        for (String label : new String[] {"", " ", "a\0", "x".repeat(101)}) {
            assertThatThrownBy(() -> keys.issue(tenant.id(), label))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("label");
        }
    }

    @Test
    void theDatabaseHoldsNoSecret() {
        String key = keys.issue(tenant.id(), "laptop");
        BearerKey parsed = BearerKey.parse(key).orElseThrow();
        String dump =
                sql.sql("select string_agg(k::text, ' ') from api_keys k")
                        .query(String.class)
                        .single();
        assertThat(dump).contains(parsed.keyId()).doesNotContain(parsed.secret());
    }

    @Test
    void aRightKeyIdWithAnotherSecretIsRefused() {
        BearerKey key = BearerKey.parse(keys.issue(tenant.id(), "laptop")).orElseThrow();
        BearerKey forged =
                new BearerKey(key.keyId(), BearerKey.random(new SecureRandom()).secret());
        assertThat(BearerKey.parse(forged.reveal())).isPresent();
        assertThat(keys.authenticate(forged.reveal())).isEmpty();
    }

    @Test
    void oneKeysHashDoesNotServeAnother() {
        BearerKey mine = BearerKey.parse(keys.issue(tenant.id(), "mine")).orElseThrow();
        BearerKey theirs =
                BearerKey.parse(keys.issue(tenants.create("o-" + UUID.randomUUID()).id(), "theirs"))
                        .orElseThrow();
        sql.sql(
                        """
                        update api_keys set secret_hash =
                            (select secret_hash from api_keys where key_id = :mine)
                        where key_id = :theirs
                        """)
                .param("mine", mine.keyId())
                .param("theirs", theirs.keyId())
                .update();
        assertThat(keys.authenticate(new BearerKey(theirs.keyId(), mine.secret()).reveal()))
                .isEmpty();
    }

    @Test
    void theLedgerKeepsEveryFieldOnce() {
        UsageEntry base = entry("g-" + UUID.randomUUID(), null, NOON);
        UsageEntry adapted = entry("g-" + UUID.randomUUID(), "ab".repeat(32), NOON.plusSeconds(1));
        assertThat(ledger.record(base)).isTrue();
        assertThat(ledger.record(adapted)).isTrue();
        assertThat(ledger.record(base)).isFalse();
        UsageEntry sameIdOtherFacts =
                new UsageEntry(
                        base.generationId(), tenant.id(), "other", null, 1, 1, "stop", NOON, NOON);
        assertThat(ledger.record(sameIdOtherFacts)).isFalse();
        assertThat(ledger.entries(tenant.id(), NOON, NOON.plusSeconds(2)))
                .containsExactly(base, adapted);
        assertThat(ledger.entries(tenant.id(), NOON, NOON.plusSeconds(1))).containsExactly(base);
        assertThat(ledger.entries(new TenantId(UUID.randomUUID()), NOON, NOON.plusSeconds(2)))
                .isEmpty();
    }

    @Test
    void oneGenerationRecordedByManyThreadsIsOneRow() throws Exception {
        UsageEntry entry = entry("g-" + UUID.randomUUID(), null, NOON);
        List<Callable<Boolean>> tries = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            tries.add(() -> ledger.record(entry));
        }
        int written = 0;
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Future<Boolean> f : threads.invokeAll(tries)) {
                written += f.get() ? 1 : 0;
            }
        }
        assertThat(written).isOne();
        assertThat(ledger.entries(tenant.id(), NOON, NOON.plusSeconds(1))).hasSize(1);
    }

    @Test
    void theLedgerCannotBeRewritten() {
        ledger.record(entry("g-" + UUID.randomUUID(), null, NOON));
        for (String statement :
                new TreeSet<>(
                        Set.of(
                                "update usage_events set prompt_tokens = 0",
                                "delete from usage_events",
                                "truncate usage_events"))) {
            assertThatThrownBy(() -> sql.sql(statement).update())
                    .as(statement)
                    .isInstanceOf(DataAccessException.class)
                    .hasMessageContaining("append-only");
        }
        assertThat(ledger.entries(tenant.id(), NOON, NOON.plusSeconds(1))).hasSize(1);
    }

    @Test
    void impossibleUsageIsNoEntry() {
        assertThatThrownBy(() -> entry("", null, NOON)).hasMessageContaining("generationId");
        assertThatThrownBy(() -> entry("x".repeat(129), null, NOON))
                .hasMessageContaining("generationId");
        assertThatThrownBy(() ->
                        new UsageEntry("g", tenant.id(), "m", null, -1, 0, "stop", NOON, NOON))
                .hasMessageContaining("negative");
    }

    @Test
    void aClockSetBackCostsNoRow() {
        UsageEntry entry =
                new UsageEntry(
                        "g-" + UUID.randomUUID(),
                        tenant.id(),
                        "novella-11m",
                        null,
                        1,
                        1,
                        "stop",
                        NOON,
                        NOON.minusSeconds(1));
        assertThat(ledger.record(entry)).isTrue();
        assertThat(ledger.entries(tenant.id(), NOON, NOON.plusSeconds(1)))
                .containsExactly(entry)
                .allMatch(e -> e.finishedAt().equals(NOON));
    }

    private UsageEntry entry(String generation, @Nullable String digest, Instant finishedAt) {
        return new UsageEntry(
                generation,
                tenant.id(),
                "novella-11m",
                digest,
                12,
                34,
                "stop",
                finishedAt.minusMillis(250),
                finishedAt);
    }
}
