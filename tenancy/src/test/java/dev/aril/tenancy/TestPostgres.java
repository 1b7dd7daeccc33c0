package dev.aril.tenancy;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.UUID;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.postgresql.PostgreSQLContainer;

/**
 * A real PostgreSQL for tests: a container where a Docker engine answers, the embedded server
 * elsewhere. Started once a JVM; each caller gets its own empty database.
 */
public final class TestPostgres {
    private static final Server SERVER = start();

    private record Server(String address, String user, String password) {}

    private TestPostgres() {}

    /** Points Spring's data source at a new database. */
    public static void register(DynamicPropertyRegistry properties) {
        String url = newDatabase();
        properties.add("spring.datasource.url", () -> url);
        properties.add("spring.datasource.username", SERVER::user);
        properties.add("spring.datasource.password", SERVER::password);
    }

    private static String newDatabase() {
        String name = "t" + UUID.randomUUID().toString().replace("-", "");
        try (Connection connection =
                        DriverManager.getConnection(
                                SERVER.address() + "postgres", SERVER.user(), SERVER.password());
                Statement statement = connection.createStatement()) {
            statement.execute("create database " + name);
        } catch (SQLException e) {
            throw new IllegalStateException("the test database cannot be made", e);
        }
        return SERVER.address() + name;
    }

    @SuppressWarnings("resource") // both stop with the JVM
    private static Server start() {
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
