package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.adapters.Adapters;
import dev.aril.api.ScriptedEngine;
import dev.aril.engine.Engine;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.Tenants;
import dev.aril.tenancy.UsageLedger;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.web.server.reactive.context.ReactiveWebServerApplicationContext;
import org.springframework.context.support.GenericApplicationContext;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** First start, orderly end, second start, and a first start that was cut short. */
final class LifecycleTest {
    @TempDir Path data;

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @Test
    void aServersLives() throws Exception {
        String said = said(this::firstLife);
        JsonNode keys = keys();
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(keysFile())))
                .isEqualTo("rw-------");
        assertThat(keys.propertyNames()).containsExactly("holmes", "globe", "acme");
        for (String tenant : keys.propertyNames()) {
            assertThat(said).contains("Authorization: Bearer " + keys.get(tenant).stringValue());
        }
        assertThat(said.split("curl ", -1)).hasSize(4);
        assertThat(said)
                .contains("Show the team and salary of employees whose team is design.")
                .contains("curl -N ");

        assertThat(said(this::secondLife)).doesNotContain(keys.get("acme").stringValue());
        assertThat(keys()).isEqualTo(keys);

        Files.delete(keysFile());
        said(this::thirdLife);
        assertThat(keys().propertyNames()).containsExactly("holmes", "globe", "acme");
        assertThat(keys()).isNotEqualTo(keys);
    }

    private void firstLife() throws Exception {
        ReactiveWebServerApplicationContext server = start();
        for (Map.Entry<String, String> demo :
                Map.of("holmes", "sherlock", "globe", "shakespeare", "acme", "sql").entrySet()) {
            assertThat(complete(server, demo.getKey(), demo.getValue()).statusCode())
                    .isEqualTo(200);
        }
        assertThat(complete(server, "acme", "sherlock").statusCode()).isEqualTo(404);
        assertThat(get(server, "/actuator/health/readiness").statusCode()).isEqualTo(200);
        endWithAnOpenStream(server);
    }

    /** The stream outlives the grace of one second; then it hears why it ends, and is settled. */
    private void endWithAnOpenStream(ReactiveWebServerApplicationContext server) throws Exception {
        HttpResponse<InputStream> stream =
                http.send(
                        post(server, "globe", "shakespeare", "forever", true),
                        BodyHandlers.ofInputStream());
        InputStream body = stream.body();
        body.readNBytes(1000);
        CompletableFuture<Void> end = CompletableFuture.runAsync(server::close);
        HttpResponse<String> refused;
        do {
            refused = complete(server, "acme", "sql");
        } while (refused.statusCode() == 200);
        assertThat(refused.statusCode()).isEqualTo(503);
        assertThat(refused.headers().firstValue("Retry-After")).contains("1");
        assertThat(get(server, "/actuator/health/readiness").statusCode()).isEqualTo(503);
        assertThat(get(server, "/actuator/health/liveness").statusCode()).isEqualTo(200);
        assertThat(new String(body.readAllBytes(), StandardCharsets.UTF_8))
                .contains("\"text\":\"tick \"")
                .endsWith(
                        "data: {\"error\":{\"message\":\"the server is shutting down\","
                                + "\"type\":\"server_error\",\"param\":null,"
                                + "\"code\":\"generation_failed\"}}\n\n")
                .doesNotContain("[DONE]");
        end.join();
    }

    private void secondLife() throws Exception {
        try (ReactiveWebServerApplicationContext server = start()) {
            assertThat(complete(server, "acme", "sql").statusCode()).isEqualTo(200);
            Tenant globe = server.getBean(Tenants.class).find("globe").orElseThrow();
            assertThat(server.getBean(UsageLedger.class).recent(globe.id(), null, 10).items())
                    .extracting(row -> row.event().finishReason())
                    .containsExactly("failed", "stop");
            // As if the first start had been cut short before this adapter and the keys.
            Tenant acme = server.getBean(Tenants.class).find("acme").orElseThrow();
            assertThat(server.getBean(Adapters.class).delete(acme.id(), "sql")).isTrue();
        }
    }

    private void thirdLife() throws Exception {
        try (ReactiveWebServerApplicationContext server = start()) {
            assertThat(complete(server, "acme", "sql").statusCode()).isEqualTo(200);
            assertThat(complete(server, "holmes", "sherlock").statusCode()).isEqualTo(200);
        }
    }

    private ReactiveWebServerApplicationContext start() {
        SpringApplication application = new SpringApplication(ArilApplication.class);
        application.setAllowBeanDefinitionOverriding(true);
        application.setRegisterShutdownHook(false);
        application.addInitializers(context ->
                ((GenericApplicationContext) context)
                        .registerBean("engine", Engine.class, ScriptedEngine::new));
        return (ReactiveWebServerApplicationContext)
                application.run(
                        "--server.port=0",
                        "--aril.bind=127.0.0.1",
                        "--aril.home=..",
                        "--aril.data=" + data,
                        "--aril.shutdown.grace=1s");
    }

    private HttpResponse<String> complete(
            ReactiveWebServerApplicationContext server, String tenant, String model)
            throws Exception {
        return http.send(post(server, tenant, model, "hello", false), BodyHandlers.ofString());
    }

    private HttpRequest post(
            ReactiveWebServerApplicationContext server,
            String tenant,
            String model,
            String prompt,
            boolean stream)
            throws Exception {
        return request(server, "/v1/completions")
                .header("Authorization", "Bearer " + keys().get(tenant).stringValue())
                .header("Content-Type", "application/json")
                .POST(
                        BodyPublishers.ofString(
                                "{\"model\":\"%s\",\"prompt\":\"%s\",\"max_tokens\":1000,\"stream\":%s}"
                                        .formatted(model, prompt, stream)))
                .build();
    }

    private HttpResponse<String> get(ReactiveWebServerApplicationContext server, String path)
            throws Exception {
        return http.send(request(server, path).build(), BodyHandlers.ofString());
    }

    private static HttpRequest.Builder request(
            ReactiveWebServerApplicationContext server, String path) {
        int port = Objects.requireNonNull(server.getWebServer()).getPort();
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    }

    private Path keysFile() {
        return data.resolve("demo-keys.json");
    }

    private JsonNode keys() throws Exception {
        return JsonMapper.shared().readTree(Files.readString(keysFile()));
    }

    private interface Life {
        void live() throws Exception;
    }

    private static String said(Life life) throws Exception {
        PrintStream out = System.out;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
        try {
            life.live();
        } finally {
            System.setOut(out);
        }
        return said.toString(StandardCharsets.UTF_8);
    }
}
