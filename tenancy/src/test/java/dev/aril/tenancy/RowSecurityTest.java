package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** The second wall stands without the first: statements here have no {@code where tenant_id}. */
@SuppressWarnings("NullAway.Init") // made before all
class RowSecurityTest {
    private static final Actor ADMIN = new Actor("ada", "test");

    @TempDir static Path folder;
    private static Replicas replicas;
    private static RowSecurity rows;
    private static JdbcClient application;
    private static Tenant acme;
    private static Tenant globe;

    @BeforeAll
    static void twoTenantsWithSomethingOfEach() throws IOException {
        replicas = new Replicas(folder, 1);
        Tenancy server = replicas.get(0);
        rows = server.rows();
        application = JdbcClient.create(replicas.pool(0));
        acme = server.tenants().create("acme");
        globe = server.tenants().create("globe");
        for (Tenant tenant : List.of(acme, globe)) {
            server.keys().create(ADMIN, tenant.id(), "k", KeyScope.ALL, null);
            server.limits()
                    .set(
                            ADMIN,
                            tenant.id(),
                            new Limit(
                                    QuotaScope.TENANT,
                                    Metric.TOKENS_PER_DAY,
                                    1000L,
                                    1L,
                                    false,
                                    null,
                                    null));
            server.webhooks()
                    .register(ADMIN, tenant.id(), java.net.URI.create("http://127.0.0.1:9/"));
            for (int i = 0; i < 2; i++) {
                Reservation held =
                        (Reservation)
                                server.quota()
                                        .reserve(
                                                new ReserveRequest(
                                                        tenant.name() + i,
                                                        tenant.id(),
                                                        "k",
                                                        null,
                                                        1,
                                                        1))
                                        .join();
                if (i == 0) {
                    Instant now = Instant.now();
                    server.quota()
                            .settle(
                                    held,
                                    new UsageEvent(
                                            held.requestId(),
                                            tenant.id(),
                                            "k",
                                            "m",
                                            null,
                                            null,
                                            1,
                                            0,
                                            1,
                                            "stop",
                                            now,
                                            null,
                                            null,
                                            now,
                                            1))
                            .join();
                }
            }
            replicas.sql()
                    .sql(
                            """
                            insert into adapters values (
                                gen_random_uuid(), ?, 'a', repeat('a', 64), 1, '[]', 1, 1, now())
                            """)
                    .param(tenant.id().value())
                    .update();
        }
    }

    @AfterAll
    static void stop() {
        replicas.close();
    }

    @Test
    void everyTableOfTenantsIsForced() {
        List<String> tables =
                replicas.sql()
                        .sql(
                                """
                                select c.relname from pg_class c
                                join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
                                where c.relnamespace = 'public'::regnamespace
                                  and c.relkind in ('r', 'p') and not c.relispartition
                                """)
                        .query((row, _) -> row.getString(1))
                        .list();
        assertThat(tables)
                .contains("api_keys", "adapters", "usage_events", "limits", "reservations")
                .hasSizeGreaterThan(12);
        // the check that each start makes
        rows.verify();
    }

    @Test
    void withoutAFilterOnlyTheTransactionsTenantIsSeen() {
        for (Tenant tenant : List.of(acme, globe)) {
            for (String table :
                    List.of(
                            "adapters",
                            "usage_events",
                            "usage_minutes",
                            "usage_hours",
                            "usage_days",
                            "usage_rollups",
                            "limits",
                            "quota_windows",
                            "reservations",
                            "webhook_events",
                            "webhook_endpoints")) {
                List<UUID> seen =
                        rows.of(
                                tenant.id(),
                                () ->
                                        application
                                                .sql("select distinct tenant_id from " + table)
                                                .query((row, _) -> row.getObject(1, UUID.class))
                                                .list());
                assertThat(seen).as(table).containsExactly(tenant.id().value());
                assertThat(count(table)).as(table + " without a tenant").isZero();
            }
            assertThat(
                            rows.of(
                                    tenant.id(),
                                    () ->
                                            application
                                                    .sql("select name from tenants")
                                                    .query((row, _) -> row.getString(1))
                                                    .list()))
                    .containsExactly(tenant.name());
        }
        assertThat(rows.<Long>ofAll(() -> count("usage_events"))).isEqualTo(2);
    }

    @Test
    void withoutAFilterOnlyTheTransactionsTenantIsChanged() {
        int held = rows.of(acme.id(), () -> application.sql("delete from reservations").update());
        assertThat(held).isOne();
        assertThat(rows.<Long>ofAll(() -> count("reservations"))).isEqualTo(1);
        assertThatThrownBy(() ->
                        rows.of(
                                acme.id(),
                                () ->
                                        application
                                                .sql(
                                                        """
                                                        insert into quota_windows values (
                                                            :t, 'tenant', '', 'x', now(), 0, 0)
                                                        """)
                                                .param("t", globe.id().value())
                                                .update()))
                .isInstanceOf(DataAccessException.class)
                .rootCause()
                .hasMessageContaining("row-level security");
        replicas.get(0)
                .limits()
                .set(ADMIN, acme.id(), Limit.hard(QuotaScope.TENANT, Metric.TOKENS_PER_DAY, 1000));
    }

    @Test
    void aTenantsTransactionHasNoRightToWhatIsTheAdministrations() {
        for (String statement :
                List.of(
                        "select * from api_keys",
                        "select * from accounts",
                        "select * from audit_log",
                        "update limits set hard = 1000000000",
                        "update tenants set status = 'active'",
                        "insert into prices values ('m', null, null, 0, 0, 0, now())",
                        "select * from usage_events_other",
                        "select usage_partitions(now())")) {
            assertThatThrownBy(() ->
                            rows.of(
                                    acme.id(),
                                    () -> application.sql(statement).query().listOfRows()))
                    .as(statement)
                    .isInstanceOf(DataAccessException.class)
                    .rootCause()
                    .hasMessageContaining("permission denied");
        }
    }

    @Test
    void aConnectionGoesBackToThePoolAsItCame() {
        rows.of(acme.id(), () -> count("limits"));
        rows.ofAll(() -> count("limits"));
        for (int i = 0; i < 10; i++) {
            assertThat(count("limits")).isZero();
        }
    }

    @Test
    void oneTenantsTransactionIsNoOthers() {
        assertThatThrownBy(
                        () -> rows.of(acme.id(), () -> rows.of(globe.id(), () -> count("limits"))))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> rows.of(acme.id(), () -> rows.ofAll(() -> count("limits"))))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aServerThatWouldBeExemptDoesNotStart() {
        DriverManagerDataSource owner =
                new DriverManagerDataSource(
                        replicas.pool(0).getJdbcUrl(), "aril_owner", TestPostgres.password());
        assertThatThrownBy(() -> verify(owner))
                .isInstanceOf(RowSecurityAbsent.class)
                .hasMessageContaining("owns the tables");
        replicas.sql().sql("alter table limits no force row level security").update();
        try {
            assertThatThrownBy(() -> verify(replicas.pool(0)))
                    .isInstanceOf(RowSecurityAbsent.class)
                    .hasMessageContaining("limits");
        } finally {
            replicas.sql().sql("alter table limits force row level security").update();
        }
    }

    private static void verify(javax.sql.DataSource database) {
        new RowSecurity(
                        JdbcClient.create(database),
                        new TransactionTemplate(new JdbcTransactionManager(database)))
                .verify();
    }

    private static long count(String table) {
        return application
                .sql("select count(*) from " + table)
                .query((row, _) -> row.getLong(1))
                .single();
    }
}
