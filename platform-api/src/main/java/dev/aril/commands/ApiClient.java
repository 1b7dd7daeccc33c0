package dev.aril.commands;

import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The administration API as the commands call it.
 *
 * @param base where the server is
 * @param authorization the header of each call
 */
record ApiClient(URI base, String authorization) {
    private static final HttpClient HTTP =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .connectTimeout(Duration.ofSeconds(5))
                    .build();

    ObjectNode get(String path, Map<String, ?> query) throws IOException {
        return send("GET", path, query, null);
    }

    ObjectNode post(String path, @Nullable ObjectNode body) throws IOException {
        return send("POST", path, Map.of(), body);
    }

    ObjectNode put(String path, ObjectNode body) throws IOException {
        return send("PUT", path, Map.of(), body);
    }

    ObjectNode delete(String path, Map<String, ?> query) throws IOException {
        return send("DELETE", path, query, null);
    }

    /** The answer's body as it comes; the caller closes it. */
    InputStream open(String path, Map<String, ?> query) throws IOException {
        HttpResponse<InputStream> response =
                exchange("GET", path, query, null, BodyHandlers.ofInputStream());
        if (response.statusCode() != 200) {
            try (InputStream body = response.body()) {
                throw refusal(
                        response.statusCode(),
                        new String(body.readAllBytes(), StandardCharsets.UTF_8));
            }
        }
        return response.body();
    }

    /** A name or an id as one step of a path. */
    static String step(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    static ObjectNode body() {
        return JsonNodeFactory.instance.objectNode();
    }

    private ObjectNode send(
            String method, String path, Map<String, ?> query, @Nullable ObjectNode body)
            throws IOException {
        HttpResponse<String> response =
                exchange(method, path, query, body, BodyHandlers.ofString());
        if (response.statusCode() / 100 != 2) {
            throw refusal(response.statusCode(), response.body());
        }
        return response.body().isEmpty()
                ? body()
                : JsonMapper.shared().readValue(response.body(), ObjectNode.class);
    }

    private <T> HttpResponse<T> exchange(
            String method,
            String path,
            Map<String, ?> query,
            @Nullable ObjectNode body,
            HttpResponse.BodyHandler<T> reader)
            throws IOException {
        String parameters =
                query.entrySet().stream()
                        .map(e -> e.getKey() + "=" + step(e.getValue().toString()))
                        .collect(Collectors.joining("&"));
        URI uri =
                base.resolve("/admin/api" + path + (parameters.isEmpty() ? "" : "?" + parameters));
        HttpRequest.Builder request =
                HttpRequest.newBuilder(uri)
                        .timeout(Duration.ofMinutes(10))
                        .header("Authorization", authorization)
                        .header("Accept", "*/*");
        if (body == null) {
            request.method(method, BodyPublishers.noBody());
        } else {
            request.header("Content-Type", "application/json")
                    .method(method, BodyPublishers.ofString(body.toString()));
        }
        try {
            return HTTP.send(request.build(), reader);
        } catch (ConnectException e) {
            throw new IOException(
                    "no server answers at " + base + ": start it with ./aril serve", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private static IllegalArgumentException refusal(int status, String body) {
        try {
            JsonNode problem = JsonMapper.shared().readTree(body);
            String remedy = problem.path("remedy").asString("");
            return new IllegalArgumentException(
                    problem.path("detail").asString("status " + status)
                            + (remedy.isEmpty() ? "" : " " + remedy));
        } catch (JacksonException e) {
            return new IllegalArgumentException("the server answered with status " + status);
        }
    }
}
