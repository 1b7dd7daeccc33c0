package dev.aril.tenancy;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.UUID;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.postgresql.PostgreSQLContainer;

/**
 * A real PostgreSQL for tests, with the roles an operator makes: a container where a Docker engine
 * answers, the embedded server elsewhere. Started once a JVM; each caller gets its own empty
 * database.
 */
public final class TestPostgres {
    private static final Server SERVER = start();
    private static final String PASSWORD = "test";

    private record Server(String address, String user, String password) {}

    private final String url;

    private TestPostgres(String url) {
        this.url = url;
    }

    /** A new database, owned by aril_owner. */
    public static TestPostgres create() {
        String name = "t" + UUID.randomUUID().toString().replace("-", "");
        superuser("postgres", "create database " + name + " owner aril_owner");
        return new TestPostgres(SERVER.address() + name);
    }

    /** Points Spring's data source and its migrations at a new database. */
    public static void register(DynamicPropertyRegistry properties) {
        create().serve(properties);
    }

    /** Points Spring's data source and its migrations here. */
    public void serve(DynamicPropertyRegistry properties) {
        properties.add("spring.datasource.url", () -> url);
        properties.add("spring.datasource.username", () -> "aril_app");
        properties.add("spring.datasource.password", () -> PASSWORD);
        properties.add("spring.flyway.user", () -> "aril_owner");
        properties.add("spring.flyway.password", () -> PASSWORD);
    }

    public String url() {
        return url;
    }

    /** The password of aril_app and aril_owner. */
    public static String password() {
        return PASSWORD;
    }

    /** As a superuser, whom nothing is refused: for what tests arrange behind the server's back. */
    public JdbcClient sql() {
        return JdbcClient.create(
                new DriverManagerDataSource(url, SERVER.user(), SERVER.password()));
    }

    private static void superuser(String database, String statement) {
        try (Connection connection =
                        DriverManager.getConnection(
                                SERVER.address() + database, SERVER.user(), SERVER.password());
                Statement act = connection.createStatement()) {
            act.execute(statement);
        } catch (SQLException e) {
            throw new IllegalStateException("the test database cannot be made", e);
        }
    }

    private static Server start() {
        Server server = launch();
        try (Connection connection =
                        DriverManager.getConnection(
                                server.address() + "postgres", server.user(), server.password());
                Statement act = connection.createStatement()) {
            act.execute(Files.readString(roles()));
            act.execute("alter role aril_owner password 'test'");
            act.execute("alter role aril_app password 'test'");
        } catch (SQLException e) {
            throw new IllegalStateException("the roles cannot be made", e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return server;
    }

    /** Tests run in their module's folder. */
    private static Path roles() {
        for (Path up = Path.of("").toAbsolutePath(); up != null; up = up.getParent()) {
            Path found = up.resolve("db/roles.sql");
            if (Files.exists(found)) {
                return found;
            }
        }
        throw new IllegalStateException("db/roles.sql is not above the working folder");
    }

    @SuppressWarnings("resource") // both stop with the JVM
    private static Server launch() {
        if (docker()) {
            PostgreSQLContainer container = new PostgreSQLContainer("postgres:18-alpine");
            container.start();
            return new Server(
                    "jdbc:postgresql://"
                            + container.getHost()
                            + ":"
                            + container.getFirstMappedPort()
                            + "/",
                    container.getUsername(),
                    container.getPassword());
        }
        try {
            EmbeddedPostgres embedded = EmbeddedPostgres.builder().start();
            return new Server(
                    "jdbc:postgresql://127.0.0.1:" + embedded.getPort() + "/", "postgres", "");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean docker() {
        try {
            return DockerClientFactory.instance().isDockerAvailable();
        } catch (RuntimeException e) {
            return false;
        }
    }
}
