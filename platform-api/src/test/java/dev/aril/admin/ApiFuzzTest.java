package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Account;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.Tenant;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * Requests made from the documents get no 500, no status, media type or body that the document does
 * not have. {@code ./aril test -pl platform-api -am -Dtest=ApiFuzzTest -Daril.requests=20000
 * -Dsurefire.failIfNoSpecifiedTests=false} sends 20,000.
 */
final class ApiFuzzTest extends AdminTest {
    private static final int REQUESTS = Integer.getInteger("aril.requests", 1200);
    private static final int AT_ONCE = 8;

    @Test
    void everyAnswerIsInTheDocument() throws Exception {
        Account admin = newAccount(Role.ADMIN);
        List<String> names = new ArrayList<>();
        List<String> keyIds = new ArrayList<>();
        String secret = "";
        for (int i = 0; i < 4; i++) {
            Tenant tenant = newTenant();
            names.add(tenant.name());
            secret = newKey(tenant);
            keyIds.add(secret.split("_")[1]);
        }
        Account victim = newAccount(Role.VIEWER);
        Map<String, List<String>> known =
                Map.of(
                        "tenant", names,
                        "key", keyIds,
                        "account", List.of(victim.name()),
                        "model", List.of("novella-11m"),
                        "model[]", List.of("novella-11m"));
        OpenApi adminApi = new OpenApi(send(request("/openapi/admin.json").GET()).body());
        OpenApi tenantApi = new OpenApi(send(request("/openapi/v1.json").GET()).body());
        Random random = new Random(20261122);
        Map<String, Integer> statuses = new TreeMap<>();
        List<String> faults = new ArrayList<>();
        int sent = 0;
        for (Map.Entry<OpenApi, String> plane :
                Map.of(adminApi, basic(admin), tenantApi, "Bearer " + secret).entrySet()) {
            boolean administration = plane.getKey() == adminApi;
            int share = administration ? REQUESTS * 3 / 4 : REQUESTS - REQUESTS * 3 / 4;
            RequestGenerator generator = new RequestGenerator(plane.getKey(), known, random);
            List<OpenApi.Operation> operations = plane.getKey().operations();
            List<RequestGenerator.Sent> requests = new ArrayList<>();
            for (int i = 0; i < share; i++) {
                requests.add(generator.next(operations.get(i % operations.size())));
            }
            for (Answer answer : answers(requests, plane.getValue())) {
                sent++;
                statuses.merge(
                        answer.sent().operation() + " " + answer.response().statusCode(),
                        1,
                        Integer::sum);
                String fault = fault(plane.getKey(), answer);
                if (fault != null) {
                    faults.add(fault + "\n  " + answer.sent() + "\n  " + answer.response().body());
                }
            }
        }
        long refused =
                statuses.entrySet().stream()
                        .filter(e -> e.getKey().endsWith(" 400"))
                        .mapToInt(Map.Entry::getValue)
                        .sum();
        System.out.printf(
                "fuzz: %,d requests to %d operations, %,d refused with 400, %d faults%n",
                sent,
                adminApi.operations().size() + tenantApi.operations().size(),
                refused,
                faults.size());
        assertThat(faults.stream().limit(10).toList()).isEmpty();
        assertThat(sent).isEqualTo(REQUESTS);
        assertThat(refused).isBetween(sent / 10L, sent * 9L / 10);
        assertThat(statuses.keySet().stream().filter(s -> s.endsWith(" 200") || s.endsWith(" 201")))
                .hasSizeGreaterThan(25);
    }

    private record Answer(RequestGenerator.Sent sent, HttpResponse<String> response) {}

    private List<Answer> answers(List<RequestGenerator.Sent> requests, String authorization)
            throws Exception {
        List<Answer> answers = new ArrayList<>();
        try (var pool = Executors.newFixedThreadPool(AT_ONCE)) {
            List<Future<Answer>> pending = new ArrayList<>();
            for (RequestGenerator.Sent sent : requests) {
                pending.add(pool.submit(() -> answer(sent, authorization)));
            }
            for (Future<Answer> each : pending) {
                answers.add(each.get());
            }
        }
        return answers;
    }

    private Answer answer(RequestGenerator.Sent sent, String authorization) {
        try {
            return new Answer(sent, send(built(sent, authorization)));
        } catch (UncheckedIOException e) {
            throw new AssertionError("no answer to " + sent, e);
        }
    }

    private HttpRequest.Builder built(RequestGenerator.Sent sent, String authorization) {
        HttpRequest.Builder request =
                request(sent.path())
                        .timeout(Duration.ofMinutes(1))
                        .header("Authorization", authorization);
        if (sent.contentType() != null) {
            request.header("Content-Type", sent.contentType());
        }
        return request.method(
                sent.operation().method(),
                sent.body() == null
                        ? BodyPublishers.noBody()
                        : BodyPublishers.ofString(sent.body(), StandardCharsets.UTF_8));
    }

    private static @Nullable String fault(OpenApi document, Answer answer) {
        HttpResponse<String> response = answer.response();
        String status = Integer.toString(response.statusCode());
        JsonNode described = answer.sent().operation().responses().get(status);
        // A path that the firewall refuses never becomes an operation.
        String path = answer.sent().path().split("\\?", 2)[0];
        boolean elsewhere =
                (response.statusCode() == 400 || response.statusCode() == 404)
                        && (path.contains("%") || path.contains("//") || path.endsWith("/"));
        if (response.statusCode() >= 500 && response.statusCode() != 503) {
            return "a fault of the server";
        }
        if (described == null) {
            return elsewhere ? null : "status " + status + " is not documented";
        }
        if (described.path("content").isEmpty()) {
            return response.body().isEmpty() ? null : "a body where none is documented";
        }
        String type = response.headers().firstValue("content-type").orElse("none").split(";", 2)[0];
        JsonNode content = described.path("content").path(type);
        if (content.isMissingNode()) {
            return elsewhere ? null : "media type " + type + " is not documented";
        }
        if (!type.endsWith("json")) {
            return null;
        }
        try {
            return document.misfit(content.path("schema"), json(response), "body");
        } catch (JacksonException e) {
            return "the body is not JSON";
        }
    }
}
