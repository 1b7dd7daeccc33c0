package dev.aril.admin;

import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatus;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * An error of the administration plane, as <a href="https://www.rfc-editor.org/rfc/rfc9457">RFC
 * 9457</a> has it: what is wrong, with which field, what is allowed, and what to do.
 *
 * @param code for programs, the end of {@code type}
 * @param field of the body, the query or the path
 * @param limit what the field may be
 * @param remedy what to do now
 * @param retryAfter seconds, for 429 and 503
 */
record AdminProblem(
        HttpStatus status,
        String code,
        String detail,
        @Nullable String field,
        @Nullable String limit,
        @Nullable String remedy,
        @Nullable Long retryAfter) {

    static AdminProblem of(HttpStatus status, String code, String detail) {
        return new AdminProblem(status, code, detail, null, null, null, null);
    }

    static AdminProblem invalid(String field, String detail, @Nullable String limit) {
        return new AdminProblem(
                HttpStatus.BAD_REQUEST,
                "invalid-field",
                detail,
                field,
                limit,
                limit == null ? "Correct " + field + "." : "Send " + field + " as " + limit + ".",
                null);
    }

    AdminProblem remedy(String text) {
        return new AdminProblem(status, code, detail, field, limit, text, retryAfter);
    }

    AdminProblem retryAfter(long seconds) {
        return new AdminProblem(status, code, detail, field, limit, remedy, seconds);
    }

    ObjectNode body(String instance) {
        ObjectNode body =
                JsonNodeFactory.instance
                        .objectNode()
                        .put("type", "urn:aril:problem:" + code)
                        .put("title", status.getReasonPhrase())
                        .put("status", status.value())
                        .put("detail", detail)
                        .put("instance", instance);
        if (field != null) {
            body.put("field", field);
        }
        if (limit != null) {
            body.put("limit", limit);
        }
        if (remedy != null) {
            body.put("remedy", remedy);
        }
        return body;
    }
}
