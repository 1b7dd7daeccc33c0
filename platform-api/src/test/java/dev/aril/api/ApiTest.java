package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.Engine;
import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.Tenants;
import dev.aril.tenancy.UsageEvent;
import dev.aril.tenancy.UsageLedger;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.BeforeEach;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.context.SpringBootTest.WebEnvironment;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.test.context.bean.override.convention.TestBean;
import org.springframework.util.FileSystemUtils;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The real application on a real port and the embedded PostgreSQL; only the model is scripted. */
@SpringBootTest(
        webEnvironment = WebEnvironment.RANDOM_PORT,
        classes = dev.aril.ArilApplication.class,
        properties = {
            "aril.home=..",
            "aril.data=${test.data.own:${test.data}}",
            "aril.demo=false",
            "aril.bind=127.0.0.1",
            "debug=false",
            "logging.level.org.springframework.boot.autoconfigure.logging=WARN",
            "aril.stream.ping=50ms",
            "aril.timeouts.settlement=1s",
            "aril.limits.body=100KB",
            "aril.limits.adapter-config=4KB",
            "aril.limits.adapter-model=200KB"
        })
abstract class ApiTest {
    static final Path DATA = temporaryFolder();

    @Autowired @TestBean Engine engine;

    @Autowired Tenants tenants;
    @Autowired ApiKeys keys;
    @Autowired UsageLedger ledger;
    @Autowired EmbeddedPostgres server;
    @LocalServerPort int port;

    final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    /** A tenant of this test's own. */
    Tenant tenant;

    String key;

    static Engine engine() {
        return new ScriptedEngine();
    }

    ScriptedEngine scripted() {
        return (ScriptedEngine) engine;
    }

    @DynamicPropertySource
    static void data(DynamicPropertyRegistry properties) {
        properties.add("test.data", DATA::toString);
    }

    /** Deleted at the end; a context with properties of its own needs one of its own. */
    static Path temporaryFolder() {
        try {
            Path folder = Files.createTempDirectory("aril-api-test");
            // the contexts that use it live as long as the virtual machine
            Runtime.getRuntime()
                    .addShutdownHook(
                            new Thread(() -> FileSystemUtils.deleteRecursively(folder.toFile())));
            return folder;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** The embedded server's superuser, for what a test arranges behind the application's back. */
    DataSource superuser() {
        try {
            return new DriverManagerDataSource(
                    "jdbc:postgresql://127.0.0.1:" + server.getPort() + "/postgres",
                    "postgres",
                    Files.readString(DATA.resolve("postgres/password")).strip());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    JdbcClient sql() {
        return JdbcClient.create(superuser());
    }

    @BeforeEach
    void newTenant() {
        tenant = tenants.create("t" + Long.toString(System.nanoTime(), 36));
        key = keys.issue(tenant.id(), "test");
    }

    HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .header("Authorization", "Bearer " + key);
    }

    HttpRequest.Builder post(String path, String json) {
        return request(path)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(json));
    }

    HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return http.send(request.build(), BodyHandlers.ofString());
    }

    HttpResponse<InputStream> open(HttpRequest.Builder request) throws Exception {
        return http.send(request.build(), BodyHandlers.ofInputStream());
    }

    static JsonNode json(HttpResponse<String> response) {
        return JsonMapper.shared().readTree(response.body());
    }

    static JsonNode error(HttpResponse<String> response) {
        JsonNode error = json(response).get("error");
        assertThat(error.propertyNames()).containsExactly("message", "type", "param", "code");
        return error;
    }

    List<UsageEvent> usage() {
        List<UsageEvent> rows = new ArrayList<>();
        ledger.export(
                tenant.id(),
                Instant.EPOCH,
                Instant.now().plusSeconds(3600),
                row -> rows.add(row.event()));
        return rows;
    }

    /** The rows of this test's tenant, as soon as there are that many. */
    List<UsageEvent> awaitUsage(int rows) throws InterruptedException {
        for (int i = 0; i < 1000 && usage().size() < rows; i++) {
            Thread.sleep(10);
        }
        return usage();
    }
}
