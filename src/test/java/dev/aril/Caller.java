package dev.aril;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A client of the HTTP API, with a tenant's key or without.
 *
 * @param key sent as a bearer token; null sends no Authorization header
 */
record Caller(URI base, @Nullable String key) {
    private static final HttpClient HTTP =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .connectTimeout(Duration.ofSeconds(10))
                    .build();
    static final JsonMapper JSON = new JsonMapper();

    /** A whole answer. */
    record Reply(int status, Map<String, List<String>> headers, String body) {
        JsonNode json() {
            return JSON.readTree(body);
        }

        /** A field of the error body, for example {@code code}. */
        @Nullable String error(String field) {
            JsonNode value = json().path("error").path(field);
            return value.isString() ? value.stringValue() : null;
        }
    }

    /** One part of a multipart body. */
    record Part(String name, @Nullable String filename, byte[] content) {
        static Part text(String name, String value) {
            return new Part(name, null, value.getBytes(StandardCharsets.UTF_8));
        }
    }

    Caller withKey(@Nullable String other) {
        return new Caller(base, other);
    }

    Reply get(String path) {
        return send(request(path).GET().build());
    }

    Reply delete(String path) {
        return send(request(path).DELETE().build());
    }

    Reply post(String path, Object body) {
        return postRaw(path, JSON.writeValueAsBytes(body));
    }

    Reply postRaw(String path, byte[] json) {
        return send(
                request(path)
                        .header("Content-Type", "application/json")
                        .POST(BodyPublishers.ofByteArray(json))
                        .build());
    }

    Reply upload(List<Part> parts) {
        String boundary = "aril-test-boundary-7f3a";
        List<byte[]> body = new ArrayList<>();
        for (Part part : parts) {
            String file = part.filename() == null ? "" : "; filename=\"" + part.filename() + "\"";
            String type = part.filename() == null ? "text/plain" : "application/octet-stream";
            body.add(
                    ("--"
                                    + boundary
                                    + "\r\nContent-Disposition: form-data; name=\""
                                    + part.name()
                                    + "\""
                                    + file
                                    + "\r\nContent-Type: "
                                    + type
                                    + "\r\n\r\n")
                            .getBytes(StandardCharsets.UTF_8));
            body.add(part.content());
            body.add("\r\n".getBytes(StandardCharsets.UTF_8));
        }
        body.add(("--" + boundary + "--\r\n").getBytes(StandardCharsets.UTF_8));
        return send(
                request("/v1/adapters")
                        .header("Content-Type", "multipart/form-data; boundary=" + boundary)
                        .POST(BodyPublishers.ofByteArrays(body))
                        .build());
    }

    /** Opens a streaming answer; the request's {@code stream} is set here. */
    TokenReader stream(String path, Map<String, Object> body) {
        var streaming = new LinkedHashMap<>(body);
        streaming.put("stream", true);
        HttpRequest request =
                request(path)
                        .header("Content-Type", "application/json")
                        .POST(BodyPublishers.ofByteArray(JSON.writeValueAsBytes(streaming)))
                        .build();
        try {
            var response = HTTP.send(request, BodyHandlers.ofInputStream());
            if (response.statusCode() != 200) {
                throw new AssertionError(
                        response.statusCode()
                                + " "
                                + new String(
                                        response.body().readAllBytes(), StandardCharsets.UTF_8));
            }
            return new TokenReader(response.body());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private HttpRequest.Builder request(String path) {
        var builder = HttpRequest.newBuilder(base.resolve(path)).timeout(Duration.ofMinutes(3));
        if (key != null) {
            builder.header("Authorization", "Bearer " + key);
        }
        return builder;
    }

    private static Reply send(HttpRequest request) {
        try {
            HttpResponse<String> response =
                    HTTP.send(request, BodyHandlers.ofString(StandardCharsets.UTF_8));
            return new Reply(response.statusCode(), response.headers().map(), response.body());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
