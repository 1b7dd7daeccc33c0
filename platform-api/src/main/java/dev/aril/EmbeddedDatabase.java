package dev.aril;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.time.Duration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.flyway.autoconfigure.FlywayConnectionDetails;
import org.springframework.boot.jdbc.autoconfigure.JdbcConnectionDetails;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** PostgreSQL as a child process, where no {@code spring.datasource.url} names another one. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnProperty(
        name = "spring.datasource.url",
        havingValue = "embedded",
        matchIfMissing = true)
class EmbeddedDatabase {
    @Bean(destroyMethod = "close")
    DatabaseFolder databaseFolder(ArilSettings settings) throws IOException {
        return DatabaseFolder.claim(settings.data().resolve("postgres"));
    }

    // Closed as a bean, not by a shutdown hook: it must outlive the connection pool.
    @Bean(destroyMethod = "close")
    EmbeddedPostgres embeddedPostgres(DatabaseFolder folder) throws IOException {
        EmbeddedPostgres server =
                EmbeddedPostgres.builder()
                        .setDataDirectory(folder.cluster())
                        .setCleanDataDirectory(false)
                        .setOverrideWorkingDirectory(folder.programs().toFile())
                        .setRegisterShutdownHook(false)
                        .setPGStartupWait(Duration.ofSeconds(60))
                        // Handed on to initdb, where they win over the library's "trust": the
                        // server never runs without a password.
                        .setLocaleConfig("auth", "scram-sha-256")
                        .setLocaleConfig("pwfile", folder.passwordFile().toString())
                        // The same collation whatever the host's locale.
                        .setLocaleConfig("locale", "C")
                        .setLocaleConfig("locale-provider", "builtin")
                        .setLocaleConfig("builtin-locale", "C.UTF-8")
                        .setConnectConfig("password", folder.password())
                        // The library is made for tests and switches both off.
                        .setServerConfig("fsync", "on")
                        .setServerConfig("synchronous_commit", "on")
                        .setServerConfig("listen_addresses", "127.0.0.1")
                        .setServerConfig("unix_socket_directories", "")
                        .setServerConfig("max_connections", "50")
                        .start();
        folder.markComplete();
        return server;
    }

    /** Made before anyone connects as one of them. */
    @Bean
    EmbeddedRoles embeddedRoles(EmbeddedPostgres server, DatabaseFolder folder) {
        EmbeddedRoles roles =
                new EmbeddedRoles(
                        "jdbc:postgresql://127.0.0.1:" + server.getPort() + "/postgres",
                        folder.password());
        roles.make();
        return roles;
    }

    @Bean
    JdbcConnectionDetails jdbcConnectionDetails(EmbeddedRoles roles) {
        return new JdbcConnectionDetails() {
            @Override
            public String getUsername() {
                return EmbeddedRoles.APPLICATION;
            }

            @Override
            public String getPassword() {
                return roles.password(EmbeddedRoles.APPLICATION);
            }

            @Override
            public String getJdbcUrl() {
                return roles.url();
            }
        };
    }

    @Bean
    FlywayConnectionDetails flywayConnectionDetails(EmbeddedRoles roles) {
        return new FlywayConnectionDetails() {
            @Override
            public String getUsername() {
                return EmbeddedRoles.OWNER;
            }

            @Override
            public String getPassword() {
                return roles.password(EmbeddedRoles.OWNER);
            }

            @Override
            public String getJdbcUrl() {
                return roles.url();
            }
        };
    }
}
