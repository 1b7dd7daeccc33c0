package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.awaitility.Awaitility;
import org.awaitility.core.ThrowingRunnable;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.io.ByteArrayResource;
import org.springframework.core.io.FileSystemResource;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.datasource.init.ResourceDatabasePopulator;
import org.springframework.jdbc.datasource.init.ScriptUtils;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.postgresql.PostgreSQLContainer;

/**
 * The whole application in this process: the real engine on the real model, a real PostgreSQL (a
 * container where Docker answers, the application's embedded server elsewhere), on a free port.
 */
final class Deployment implements AutoCloseable {
    private final Path data;
    private final ConfigurableApplicationContext context;
    private final @Nullable PostgreSQLContainer container;

    private Deployment(
            Path data,
            ConfigurableApplicationContext context,
            @Nullable PostgreSQLContainer container) {
        this.data = data;
        this.context = context;
        this.container = container;
    }

    /**
     * Only one in a process: closing a context closes the event loops that all contexts share. Use
     * {@link ArilProcess} for another.
     */
    static Deployment start(Path data) {
        if (!DockerClientFactory.instance().isDockerAvailable()) {
            return new Deployment(data, run(data), null);
        }
        var container = new PostgreSQLContainer("postgres:18");
        container.start();
        makeRoles(container);
        return new Deployment(
                data,
                run(
                        data,
                        "--spring.datasource.url=" + container.getJdbcUrl(),
                        "--spring.datasource.username=aril_app",
                        "--spring.datasource.password=test",
                        "--spring.flyway.user=aril_owner",
                        "--spring.flyway.password=test"),
                container);
    }

    /** As the README tells an operator to. */
    private static void makeRoles(PostgreSQLContainer container) {
        var superuser =
                new DriverManagerDataSource(
                        container.getJdbcUrl(), container.getUsername(), container.getPassword());
        var roles =
                new ResourceDatabasePopulator(
                        new FileSystemResource(Installation.HOME.resolve("db/roles.sql")));
        roles.setSeparator(ScriptUtils.EOF_STATEMENT_SEPARATOR);
        roles.execute(superuser);
        var rest =
                new ResourceDatabasePopulator(
                        new ByteArrayResource(
                                ("alter role aril_owner password 'test';"
                                                + "alter role aril_app password 'test';"
                                                + "alter database "
                                                + container.getDatabaseName()
                                                + " owner to aril_owner;")
                                        .getBytes(StandardCharsets.UTF_8)));
        rest.execute(superuser);
    }

    private static ConfigurableApplicationContext run(Path data, String... more) {
        List<String> arguments = new ArrayList<>(List.of(more));
        arguments.add("--aril.data=" + data);
        arguments.add("--aril.home=" + Installation.HOME);
        arguments.add("--aril.port=0");
        arguments.add("--aril.bind=127.0.0.1");
        return SpringApplication.run(ArilApplication.class, arguments.toArray(String[]::new));
    }

    Path data() {
        return data;
    }

    /** A client with the demonstration tenant's key. */
    Caller as(String tenant) {
        return caller().withKey(keys(data).get(tenant));
    }

    /** A client without a key. */
    Caller caller() {
        String port = context.getEnvironment().getRequiredProperty("local.server.port");
        return new Caller(URI.create("http://127.0.0.1:" + port), null);
    }

    <T> T bean(Class<T> type) {
        return context.getBean(type);
    }

    /** As a superuser, whom nothing is refused. */
    JdbcClient sql() throws IOException {
        if (container != null) {
            return JdbcClient.create(
                    new DriverManagerDataSource(
                            container.getJdbcUrl(),
                            container.getUsername(),
                            container.getPassword()));
        }
        return ArilProcess.superuser(data);
    }

    /** The value of one series of the metrics page, 0 where it is absent. */
    double metric(String name, String label, String value) {
        String series = name + "{" + label + "=\"" + value + "\"} ";
        Caller.Reply page = caller().get("/actuator/prometheus");
        assertThat(page.status()).isEqualTo(200);
        return page.body()
                .lines()
                .filter(line -> line.startsWith(series))
                .mapToDouble(line -> Double.parseDouble(line.substring(series.length())))
                .sum();
    }

    /** The demonstration's keys, as the first start writes them. */
    static Map<String, String> keys(Path data) {
        Map<String, String> keys = new HashMap<>();
        Caller.JSON
                .readTree(data.resolve("demo-keys.json").toFile())
                .properties()
                .forEach(entry -> keys.put(entry.getKey(), entry.getValue().stringValue()));
        assertThat(keys).containsOnlyKeys("holmes", "globe", "acme");
        return keys;
    }

    /** What happens soon after, in another thread. */
    static void eventually(ThrowingRunnable assertion) {
        Awaitility.await()
                .atMost(Duration.ofSeconds(30))
                .pollInterval(Duration.ofMillis(50))
                .untilAsserted(assertion);
    }

    /** Gives {@code data} the models that {@code imported} has, so that they are imported once. */
    static Path withModelsOf(Path imported, Path data) throws IOException {
        Files.createDirectories(data);
        Files.createSymbolicLink(data.resolve("models"), imported.resolve("models"));
        return data;
    }

    @Override
    public void close() {
        context.close();
        if (container != null) {
            container.stop();
        }
    }
}
