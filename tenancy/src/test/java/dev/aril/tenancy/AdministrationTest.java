package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tenants, prices, accounts and the log of who did what. */
@SuppressWarnings("NullAway.Init") // made before all
class AdministrationTest {
    private static final Actor ADMIN = new Actor("ada", "test");

    @TempDir static Path folder;
    private static Replicas replicas;
    private static Tenancy server;

    @BeforeAll
    static void start() throws IOException {
        replicas = new Replicas(folder, 1);
        server = replicas.get(0);
    }

    @AfterAll
    static void stop() {
        replicas.close();
    }

    @Test
    void tenantsArePagedByNameAndFound() {
        String run = "p" + Long.toString(System.nanoTime(), 36) + "-";
        List<String> names = IntStream.range(0, 25).mapToObj(i -> run + (char) ('a' + i)).toList();
        names.forEach(name -> server.tenants().create(ADMIN, name));
        List<String> seen = new ArrayList<>();
        @Nullable String after = null;
        do {
            Page<TenantDetails> page = server.tenants().page(run, null, after, 10);
            page.items().forEach(t -> seen.add(t.tenant().name()));
            after = page.next();
        } while (after != null);
        assertThat(seen).isEqualTo(names);
        Tenant last = server.tenants().find(run + "y").orElseThrow();
        server.tenants().suspend(ADMIN, last.id());
        assertThat(server.tenants().page(run, TenantStatus.SUSPENDED, null, 10).items())
                .extracting(TenantDetails::tenant)
                .containsExactly(last);
        assertThat(server.tenants().page("%", null, null, 10).items()).isEmpty();
    }

    @Test
    void aDeletedTenantIsPurgedAfterItsGraceAndItsUsageKept() {
        Tenant tenant = server.tenants().create(ADMIN, "leaving");
        server.keys().create(ADMIN, tenant.id(), "k", KeyScope.ALL, null);
        settle(tenant, "novella-11m", null, 5, 2, 3);
        server.tenants().delete(ADMIN, tenant.id(), Duration.ofDays(1));
        server.tenants().purge();
        assertThat(server.tenants().details(tenant.id()).orElseThrow().status())
                .isEqualTo(TenantStatus.DELETED);
        server.tenants().delete(ADMIN, tenant.id(), Duration.ZERO);
        assertThat(server.tenants().purge()).isOne();
        assertThat(server.tenants().details(tenant.id())).isEmpty();
        assertThat(server.keys().list(tenant.id())).isEmpty();
        assertThatThrownBy(() -> server.tenants().restore(ADMIN, tenant.id()))
                .isInstanceOf(Absent.class);
        assertThat(server.ledger().recent(tenant.id(), null, 10).items()).hasSize(1);
        // the name is free again, for somebody else
        assertThat(server.tenants().create(ADMIN, "leaving").id()).isNotEqualTo(tenant.id());
        assertThat(server.ledger().conservation().differences()).isEmpty();
    }

    @Test
    void theMostSpecificPriceOfItsTimeCounts() {
        Tenant tenant = server.tenants().create(ADMIN, "priced");
        Tenant other = server.tenants().create(ADMIN, "priced-too");
        Instant now = Instant.now();
        price("llama", null, null, 100, 50, 400, now);
        price("llama", null, "a", 200, 100, 800, now);
        price("llama", tenant.id(), null, 10, 5, 40, now);
        price("llama", tenant.id(), "a", 1, 1, 1, now);
        price("llama", null, null, 999, 999, 999, now.plusSeconds(3600));
        assertThat(settle(other, "llama", null, 10, 4, 3)).isEqualTo(6 * 100 + 4 * 50 + 3 * 400);
        assertThat(settle(other, "llama", "a", 10, 4, 3)).isEqualTo(6 * 200 + 4 * 100 + 3 * 800);
        assertThat(settle(tenant, "llama", null, 10, 4, 3)).isEqualTo(6 * 10 + 4 * 5 + 3 * 40);
        assertThat(settle(tenant, "llama", "a", 10, 4, 3)).isEqualTo(13);
        assertThat(settle(tenant, "llama", "b", 10, 0, 0)).isEqualTo(100);
        assertThat(settle(tenant, "unpriced", null, 10, 0, 0)).isZero();
        UsageBucket day =
                server.ledger()
                        .buckets(
                                new UsageQuery(
                                        tenant.id(),
                                        Granularity.DAY,
                                        now.minus(Duration.ofDays(1)),
                                        now.plus(Duration.ofDays(1)),
                                        Set.of(),
                                        null,
                                        "llama",
                                        null),
                                null,
                                10)
                        .items()
                        .getLast();
        assertThat(day.costPicos()).isEqualTo(BigInteger.valueOf(200 + 13 + 100));
        assertThatThrownBy(() -> price("llama", null, null, 1, 1, 1, now.minusSeconds(3600)))
                .hasMessageContaining("past");
    }

    @Test
    void accountsKeepOneAdministrator() {
        Accounts accounts = server.accounts();
        assertThat(accounts.none()).isTrue();
        accounts.create(Actor.SERVER, "ada", "{x}1", Role.ADMIN);
        assertThatThrownBy(() -> accounts.create(ADMIN, "ada", "{x}1", Role.VIEWER))
                .hasMessageContaining("taken");
        assertThatThrownBy(() -> accounts.create(ADMIN, "Ada!", "{x}1", Role.VIEWER))
                .hasMessageContaining("name must be");
        assertThatThrownBy(() -> accounts.disable(ADMIN, "ada"))
                .hasMessageContaining("no administrator");
        assertThatThrownBy(() -> accounts.changeRole(ADMIN, "ada", Role.VIEWER))
                .hasMessageContaining("no administrator");
        accounts.create(ADMIN, "bob", "{x}2", Role.VIEWER);
        accounts.changeRole(ADMIN, "bob", Role.ADMIN);
        accounts.changePassword(ADMIN, "bob", "{x}3");
        accounts.disable(ADMIN, "ada");
        Account bob = accounts.find("bob").orElseThrow();
        assertThat(bob.revision()).isEqualTo(3);
        assertThat(bob.passwordHash()).isEqualTo("{x}3");
        assertThat(bob.toString()).doesNotContain("{x}3");
        assertThat(accounts.find("ada").orElseThrow().disabledAt()).isNotNull();
        assertThatThrownBy(() -> accounts.disable(ADMIN, "carol")).isInstanceOf(Absent.class);
    }

    @Test
    void peopleOfAProviderGetTheHighestRoleThatFits() {
        Accounts accounts = server.accounts();
        String issuer = "https://id.example.com";
        accounts.addOidcRule(ADMIN, new Accounts.OidcRule(issuer, "groups", "staff", Role.VIEWER));
        accounts.addOidcRule(ADMIN, new Accounts.OidcRule(issuer, "groups", "sre", Role.OPERATOR));
        accounts.addOidcRule(ADMIN, new Accounts.OidcRule(issuer, "sub", "42", Role.ADMIN));
        assertThat(accounts.roleOf(issuer, Map.of("groups", List.of("staff", "sre"))))
                .contains(Role.OPERATOR);
        assertThat(accounts.roleOf(issuer, Map.of("sub", "42"))).contains(Role.ADMIN);
        assertThat(accounts.roleOf(issuer, Map.of("sub", "4", "groups", "none"))).isEmpty();
        assertThat(accounts.roleOf("https://other.example.com", Map.of("sub", "42"))).isEmpty();
        accounts.removeOidcRule(ADMIN, new Accounts.OidcRule(issuer, "sub", "42", Role.ADMIN));
        assertThat(accounts.roleOf(issuer, Map.of("sub", "42"))).isEmpty();
    }

    @Test
    void everyActIsWrittenDownOrNotDone() {
        AuditLog audit = server.audit();
        Tenant tenant = server.tenants().create(ADMIN, "watched");
        IssuedKey key = server.keys().create(ADMIN, tenant.id(), "k", KeyScope.ALL, null);
        server.keys().revoke(ADMIN, tenant.id(), key.key().keyId());
        assertThatThrownBy(() ->
                        audit.act(
                                ADMIN,
                                "adapter.delete",
                                tenant.id(),
                                "a",
                                "",
                                () -> {
                                    throw new Absent("no adapter");
                                }))
                .isInstanceOf(Absent.class);
        List<AuditEntry> entries = audit.page(tenant.id(), null, null, 10).items();
        assertThat(entries)
                .extracting(AuditEntry::action)
                .containsExactly("key.revoke", "key.create", "tenant.create");
        assertThat(entries).extracting(AuditEntry::actor).containsOnly(ADMIN);
        assertThat(audit.page(null, key.key().keyId(), null, 10).items()).hasSize(2);
        assertThat(audit.verify().holds()).isTrue();
    }

    @Test
    void aChangedEntryAndAMissingOneAreFound() throws IOException {
        try (Replicas own = new Replicas(folder, 1)) {
            AuditLog audit = own.get(0).audit();
            for (int i = 0; i < 5; i++) {
                own.get(0).tenants().create(ADMIN, "t" + i);
            }
            AuditVerdict whole = audit.verify();
            assertThat(whole.entries()).isEqualTo(5);
            assertThat(whole.head()).matches("[0-9a-f]{64}");
            own.sql().sql("alter table audit_log disable trigger user").update();
            own.sql().sql("update audit_log set actor = 'eve' where number = 3").update();
            assertThat(audit.verify().fault()).contains("entry 3 is not as it was written");
            own.sql().sql("update audit_log set actor = 'ada' where number = 3").update();
            assertThat(audit.verify()).isEqualTo(whole);
            own.sql().sql("delete from audit_log where number = 2").update();
            assertThat(audit.verify().fault()).contains("entry 2 is missing");
        }
    }

    @Test
    void theLogsCannotBeRewrittenByTheServer() {
        settle(server.tenants().create(ADMIN, "final"), "m", null, 1, 0, 1);
        for (String statement :
                List.of(
                        "update audit_log set actor = 'eve'",
                        "delete from audit_log",
                        "update usage_events set prompt_tokens = 0",
                        "delete from usage_events")) {
            assertThatThrownBy(() -> replicas.sql().sql(statement).update())
                    .as(statement)
                    .hasMessageContaining("append-only");
        }
    }

    private static void price(
            String model,
            @Nullable TenantId tenant,
            @Nullable String adapter,
            long prompt,
            long cached,
            long completion,
            Instant from) {
        server.prices()
                .set(ADMIN, new Price(model, tenant, adapter, prompt, cached, completion, from));
    }

    private static long settle(
            Tenant tenant,
            String model,
            @Nullable String adapter,
            long prompt,
            long cached,
            long completion) {
        String id = "g-" + UUID.randomUUID();
        Reservation held =
                (Reservation)
                        server.quota()
                                .reserve(
                                        new ReserveRequest(
                                                id, tenant.id(), "k", adapter, prompt, completion))
                                .join();
        Instant now = Instant.now();
        server.quota()
                .settle(
                        held,
                        new UsageEvent(
                                id,
                                tenant.id(),
                                "k",
                                model,
                                adapter,
                                null,
                                prompt,
                                cached,
                                completion,
                                "stop",
                                now,
                                null,
                                null,
                                now,
                                1))
                .join();
        return server.ledger().recent(tenant.id(), null, 1).items().getFirst().costPicos();
    }
}
