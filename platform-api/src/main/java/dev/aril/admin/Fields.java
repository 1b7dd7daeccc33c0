package dev.aril.admin;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A JSON body, of which each field is read or refused by name. Read the fields, then call {@link
 * #done}.
 */
final class Fields {
    private static final JsonMapper MAPPER =
            JsonMapper.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    private final ObjectNode body;
    private final Set<String> known = new LinkedHashSet<>();

    private Fields(ObjectNode body) {
        this.body = body;
    }

    /**
     * @throws AdminRefusal if the body is no JSON object
     */
    static Fields of(byte @Nullable [] json) {
        if (json == null || json.length == 0) {
            throw refused("body", "The request body is missing.", "a JSON object");
        }
        try {
            if (MAPPER.readTree(json) instanceof ObjectNode object) {
                return new Fields(object);
            }
        } catch (JacksonException e) {
            throw refused(
                    "body",
                    "The request body is not valid JSON: " + e.getOriginalMessage(),
                    "a JSON object");
        }
        throw refused("body", "The request body is not a JSON object.", "a JSON object");
    }

    /** Text that must be there. */
    String text(String name, String limit) {
        return optionalText(name, limit)
                .orElseThrow(() -> refused(name, name + " is missing.", limit));
    }

    Optional<String> optionalText(String name, String limit) {
        return given(name)
                .map(value -> {
                    if (!value.isString()) {
                        throw refused(
                                name, name + " must be text, not " + kind(value) + ".", limit);
                    }
                    String text = value.stringValue();
                    if (text.indexOf('\0') >= 0) {
                        throw refused(name, name + " must not hold a null character.", limit);
                    }
                    return text;
                });
    }

    /** A whole number within bounds. */
    OptionalLong number(String name, long least, long most) {
        String limit = "a whole number from " + least + " to " + most;
        Optional<JsonNode> value = given(name);
        if (value.isEmpty()) {
            return OptionalLong.empty();
        }
        if (!value.get().isIntegralNumber() || !value.get().canConvertToLong()) {
            throw refused(name, name + " must be a whole number.", limit);
        }
        long number = value.get().longValue();
        if (number < least || number > most) {
            throw refused(name, name + " is out of range: " + number + ".", limit);
        }
        return OptionalLong.of(number);
    }

    Optional<Boolean> flag(String name) {
        return given(name)
                .map(value -> {
                    if (!value.isBoolean()) {
                        throw refused(name, name + " must be true or false.", "true or false");
                    }
                    return value.booleanValue();
                });
    }

    Optional<Instant> instant(String name) {
        return optionalText(name, Times.FORM).map(text -> Times.parse(name, text));
    }

    Optional<List<String>> texts(String name, String limit) {
        return given(name)
                .map(value -> {
                    if (!value.isArray()) {
                        throw refused(
                                name, name + " must be a list, not " + kind(value) + ".", limit);
                    }
                    List<String> texts = new ArrayList<>();
                    for (JsonNode each : value) {
                        if (!each.isString()) {
                            throw refused(name, name + " must hold texts only.", limit);
                        }
                        texts.add(each.stringValue());
                    }
                    return texts;
                });
    }

    /**
     * One of an enumeration's values, written in lower case with underscores.
     *
     * @param all its values
     */
    <E extends Enum<E>> Optional<E> choice(String name, E[] all) {
        String limit = "one of " + Choices.names(all);
        return optionalText(name, limit).map(text -> Choices.parse(name, text, all));
    }

    /** Whether the field is there, {@code null} included. */
    boolean has(String name) {
        known.add(name);
        return body.has(name);
    }

    /** Refuses what was not asked for. */
    void done() {
        for (String name : body.propertyNames()) {
            if (!known.contains(name)) {
                throw refused(
                        name,
                        name + " is not a field of this request.",
                        known.isEmpty()
                                ? "nothing: this request has no fields"
                                : "one of the fields " + String.join(", ", known));
            }
        }
    }

    /** {@code null} is as good as absent. */
    private Optional<JsonNode> given(String name) {
        known.add(name);
        return body.optional(name).filter(value -> !value.isNull());
    }

    private static String kind(JsonNode value) {
        return value.getNodeType().toString().toLowerCase(java.util.Locale.ROOT);
    }

    static AdminRefusal refused(String field, String detail, @Nullable String limit) {
        return new AdminRefusal(AdminProblem.invalid(field, detail, limit));
    }

    /** Points in time on the wire. */
    static final class Times {
        static final String FORM = "a time such as 2026-11-22T18:00:00Z";
        private static final Instant LEAST = Instant.parse("2000-01-01T00:00:00Z");
        private static final Instant MOST = Instant.parse("2200-01-01T00:00:00Z");

        private Times() {}

        static Instant parse(String name, String text) {
            Instant time;
            try {
                time = OffsetDateTime.parse(text).toInstant();
            } catch (DateTimeException e) {
                throw refused(name, name + " is not a time: " + shortened(text) + ".", FORM);
            }
            if (time.isBefore(LEAST) || time.isAfter(MOST)) {
                throw refused(name, name + " is out of range.", FORM + ", from 2000 to 2200");
            }
            return time;
        }
    }

    static String shortened(String text) {
        return text.length() <= 60 ? text : text.substring(0, 60) + "…";
    }
}
