package dev.aril.api;

import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatus;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * An error as OpenAI's clients read it.
 *
 * @param param the request's field at fault
 * @param code for programs, for example {@code model_not_found}
 * @param headers further ones, for example Retry-After
 */
record Problem(
        HttpStatus status,
        String type,
        String message,
        @Nullable String param,
        @Nullable String code,
        Map<String, String> headers) {

    /** The client's fault. */
    static Problem invalid(
            HttpStatus status, String message, @Nullable String param, @Nullable String code) {
        return new Problem(status, "invalid_request_error", message, param, code, Map.of());
    }

    /** Ours. */
    static Problem server(HttpStatus status, String message, @Nullable String code) {
        return new Problem(status, "server_error", message, null, code, Map.of());
    }

    Problem with(String header, String value) {
        Map<String, String> more = new TreeMap<>(headers);
        more.put(header, value);
        return new Problem(status, type, message, param, code, more);
    }

    /** For clients that may try again after a wait, of at least a millisecond. */
    Problem retryAfter(Duration wait) {
        long millis = Math.max(1, wait.toMillis());
        return with("Retry-After", Long.toString(Math.ceilDiv(millis, 1000)))
                .with("retry-after-ms", Long.toString(millis));
    }

    /** Keeps clients that try again by themselves from doing so. */
    Problem noRetry() {
        return with("x-should-retry", "false");
    }

    /** {@code {"error":{…}}}; all four keys are always there, as typed clients require. */
    ObjectNode body() {
        ObjectNode body = JsonNodeFactory.instance.objectNode();
        body.putObject("error")
                .put("message", message)
                .put("type", type)
                .put("param", param)
                .put("code", code);
        return body;
    }
}
