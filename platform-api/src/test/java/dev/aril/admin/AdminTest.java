package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.api.ScriptedEngine;
import dev.aril.engine.Engine;
import dev.aril.tenancy.Account;
import dev.aril.tenancy.Accounts;
import dev.aril.tenancy.Actor;
import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.Tenants;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.context.SpringBootTest.WebEnvironment;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.context.annotation.Import;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.test.context.bean.override.convention.TestBean;
import org.springframework.util.FileSystemUtils;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The real application on a real port and a real PostgreSQL; only the model is scripted. */
@SpringBootTest(
        webEnvironment = WebEnvironment.RANDOM_PORT,
        classes = dev.aril.ArilApplication.class,
        properties = {
            "aril.home=..",
            "aril.demo=false",
            "aril.bind=127.0.0.1",
            "debug=false",
            "logging.level.org.springframework.boot.autoconfigure.logging=WARN",
        })
@Import(Forgotten.class)
abstract class AdminTest {
    private static final Path FOLDERS = temporaryFolder();

    /** Of the server that all tests share but those that name a folder of their own. */
    static final Path DATA = FOLDERS.resolve("main");

    static final Actor TEST = new Actor("test", "test");
    static final String PASSWORD = "correct horse battery";
    static final OidcIssuer ISSUER = new OidcIssuer();

    @Autowired @TestBean Engine engine;

    @Autowired Tenants tenants;
    @Autowired ApiKeys keys;
    @Autowired Accounts accounts;
    @Autowired Passwords passwords;
    @LocalServerPort int port;

    final HttpClient http =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .followRedirects(HttpClient.Redirect.NEVER)
                    .build();

    static Engine engine() {
        return new ScriptedEngine();
    }

    @DynamicPropertySource
    static void data(DynamicPropertyRegistry properties) {
        properties.add("aril.data", () -> FOLDERS + "/${aril.test.folder:main}");
        properties.add("aril.admin.url", () -> "http://127.0.0.1");
        properties.add("aril.admin.issuers[0].name", () -> "test");
        properties.add("aril.admin.issuers[0].issuer", ISSUER::url);
        properties.add("aril.admin.issuers[0].audience", () -> "aril");
        properties.add("aril.admin.issuers[0].client-id", () -> "aril");
        properties.add("aril.admin.issuers[0].client-secret", () -> "secret");
    }

    private static Path temporaryFolder() {
        try {
            Path folder = Files.createTempDirectory("aril-admin-test");
            Runtime.getRuntime()
                    .addShutdownHook(
                            new Thread(() -> FileSystemUtils.deleteRecursively(folder.toFile())));
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String unique(String prefix) {
        return prefix + Long.toString(System.nanoTime(), 36);
    }

    Tenant newTenant() {
        return tenants.create(TEST, unique("t"));
    }

    String newKey(Tenant tenant) {
        return keys.create(TEST, tenant.id(), "test", KeyScope.ALL, null).secret();
    }

    /** An account whose password is {@link #PASSWORD}. */
    Account newAccount(Role role) {
        return accounts.create(TEST, unique(role.text()), passwords.hash(PASSWORD), role);
    }

    static String basic(Account account) {
        return basic(account.name(), PASSWORD);
    }

    static String basic(String name, String password) {
        return "Basic "
                + Base64.getEncoder()
                        .encodeToString((name + ":" + password).getBytes(StandardCharsets.UTF_8));
    }

    HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    }

    /** A call of the administration API. */
    HttpResponse<String> call(
            String authorization, String method, String path, @Nullable String json) {
        HttpRequest.Builder request =
                request("/admin/api" + path).header("Authorization", authorization);
        if (json == null) {
            request.method(method, BodyPublishers.noBody());
        } else {
            request.header("Content-Type", "application/json")
                    .method(method, BodyPublishers.ofString(json));
        }
        return send(request);
    }

    HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return http.send(request.build(), BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    static JsonNode json(HttpResponse<String> response) {
        return JsonMapper.shared().readTree(response.body());
    }

    /** The problem in an answer, of which all required fields are there. */
    static JsonNode problem(HttpResponse<String> response, int status) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(response.headers().firstValue("content-type"))
                .contains("application/problem+json");
        JsonNode problem = json(response);
        assertThat(problem.propertyNames())
                .contains("type", "title", "status", "detail", "instance");
        assertThat(problem.get("status").intValue()).isEqualTo(status);
        return problem;
    }
}
