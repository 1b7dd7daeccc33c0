package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.context.annotation.Bean;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

@SpringBootTest(properties = {"spring.flyway.locations=filesystem:../db/migration"})
class TenancyTest {
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
}
