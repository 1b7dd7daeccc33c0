package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.UUID;
import org.flywaydb.core.Flyway;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.jdbc.core.simple.JdbcClient;

/** A database of the version before tenants were separated goes on with all that was in it. */
class MigrationTest {
    @TempDir Path folder;

    @Test
    void tenantsKeysAndUsageAreKept() throws IOException {
        TestPostgres database = TestPostgres.create();
        migrate(database, "003");
        JdbcClient sql = database.sql();
        TenantId tenant = new TenantId(UUID.randomUUID());
        sql.sql("insert into tenants (id, name, created_at) values (?, 'kept', now())")
                .param(tenant.value())
                .update();
        sql.sql(
                        """
                        insert into api_keys (
                            id, tenant_id, key_id, secret_hash, label, created_at)
                        values (
                            gen_random_uuid(), ?, 'abcdefghijkl', decode(repeat('00', 32), 'hex'),
                            'k', now())
                        """)
                .param(tenant.value())
                .update();
        for (int month = 0; month < 4; month++) {
            sql.sql(
                            """
                            insert into usage_events values (
                                'g' || ?, ?, 'mine', repeat('a', 64), 10, 5, 'stop',
                                now() - make_interval(months => ?),
                                now() - make_interval(months => ?))
                            """)
                    .param(month)
                    .param(tenant.value())
                    .param(month)
                    .param(month)
                    .update();
        }
        migrate(database, "latest");
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(database.url());
        config.setUsername("aril_app");
        config.setPassword(TestPostgres.password());
        try (HikariDataSource pool = new HikariDataSource(config)) {
            // there are keys, so the pepper they were made under must be there
            assertThatThrownBy(() -> open(pool)).isInstanceOf(IOException.class);
            java.nio.file.Files.write(folder.resolve("pepper"), new byte[32]);
            try (Tenancy tenancy = open(pool)) {
                assertThat(tenancy.tenants().find("kept")).contains(new Tenant(tenant, "kept"));
                ApiKey key = tenancy.keys().find(tenant, "abcdefghijkl").orElseThrow();
                assertThat(key.scopes()).isEqualTo(KeyScope.ALL);
                assertThat(tenancy.ledger().recent(tenant, null, 10).items())
                        .extracting(r -> r.event().requestId())
                        .containsExactly("g0", "g1", "g2", "g3");
                assertThat(tenancy.ledger().conservation().differences()).isEmpty();
                tenancy.limits()
                        .set(
                                Actor.SERVER,
                                tenant,
                                Limit.hard(
                                        QuotaScope.adapter("mine"), Metric.TOKENS_PER_DAY, 1000));
                assertThat(tenancy.limits().of(tenant).getFirst().used()).isEqualTo(15);
            }
        }
    }

    private Tenancy open(HikariDataSource pool) throws IOException {
        return Tenancy.open(pool, new TenancySettings(folder.resolve("pepper")));
    }

    private static void migrate(TestPostgres database, String target) {
        Flyway.configure()
                .dataSource(database.url(), "aril_owner", TestPostgres.password())
                .locations("filesystem:../db/migration")
                .target(target)
                .load()
                .migrate();
    }
}
