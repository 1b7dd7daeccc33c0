package dev.aril.api;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatus;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A JSON object's fields, read by type; an error names the field. {@code null} is the same as
 * absent.
 *
 * <p>Each field is honoured or refused by name (design, decision 12): {@link #refuseOthers} refuses
 * what nobody read. Ignoring an unknown field, as other servers do, would answer a different
 * question than the one asked.
 */
final class RequestFields {
    private final ObjectNode object;
    private final String prefix;
    private final Set<String> known = new HashSet<>();

    RequestFields(ObjectNode object) {
        this(object, "");
    }

    private RequestFields(ObjectNode object, String prefix) {
        this.object = object;
        this.prefix = prefix;
    }

    static Refusal invalid(@Nullable String field, @Nullable String message) {
        return new Refusal(
                Problem.invalid(HttpStatus.BAD_REQUEST, String.valueOf(message), field, null));
    }

    /** The field's full name, for example {@code messages[0].role}. */
    String path(String field) {
        return prefix + field;
    }

    /** The value, if the field is there and not null. */
    Optional<JsonNode> value(String field) {
        known.add(field);
        JsonNode node = object.get(field);
        return node == null || node.isNull() ? Optional.empty() : Optional.of(node);
    }

    JsonNode required(String field) {
        return value(field).orElseThrow(() -> refuse(field, "is required"));
    }

    String requiredText(String field) {
        return text(path(field), required(field));
    }

    Optional<String> text(String field) {
        return value(field).map(node -> text(path(field), node));
    }

    boolean flag(String field, boolean otherwise) {
        return value(field)
                .map(node -> {
                    if (!node.isBoolean()) {
                        throw refuse(field, "must be true or false");
                    }
                    return node.booleanValue();
                })
                .orElse(otherwise);
    }

    double number(String field, double otherwise, int least, int most) {
        double number = number(field, otherwise);
        if (!(number >= least && number <= most)) {
            throw refuse(field, "must be a number from " + least + " to " + most);
        }
        return number;
    }

    /** A number above zero. */
    double positive(String field, double otherwise, int most) {
        double number = number(field, otherwise);
        if (!(number > 0 && number <= most)) {
            throw refuse(field, "must be a number above 0 and at most " + most);
        }
        return number;
    }

    /** Not a number for what is none: it fits no range. */
    private double number(String field, double otherwise) {
        return value(field)
                .map(node -> node.isNumber() ? node.doubleValue() : Double.NaN)
                .orElse(otherwise);
    }

    OptionalInt integer(String field, int least, int most) {
        Optional<JsonNode> node = value(field);
        return node.isEmpty()
                ? OptionalInt.empty()
                : OptionalInt.of((int) integer(path(field), node.get(), least, most));
    }

    @Nullable Long wholeNumber(String field) {
        Optional<JsonNode> node = value(field);
        return node.isEmpty()
                ? null
                : (Long) integer(path(field), node.get(), Long.MIN_VALUE, Long.MAX_VALUE);
    }

    Optional<RequestFields> fields(String field) {
        return value(field).map(node -> fields(field, node));
    }

    List<RequestFields> requiredList(String field) {
        JsonNode node = required(field);
        if (!node.isArray() || node.isEmpty()) {
            throw refuse(field, "must be an array of at least one object");
        }
        List<RequestFields> list = new ArrayList<>();
        for (int i = 0; i < node.size(); i++) {
            list.add(fields(field + "[" + i + "]", node.get(i)));
        }
        return list;
    }

    private RequestFields fields(String name, JsonNode node) {
        if (node instanceof ObjectNode inner) {
            return new RequestFields(inner, path(name) + ".");
        }
        throw refuse(name, "must be an object");
    }

    /** Refuses these fields, which OpenAI's interface has and this server does not. */
    void unsupported(String... fields) {
        for (String field : fields) {
            if (value(field).isPresent()) {
                throw unsupported(field, "is not supported by this server; leave it out");
            }
        }
    }

    Refusal unsupported(String field, String rule) {
        String name = path(field);
        return new Refusal(
                Problem.invalid(
                        HttpStatus.BAD_REQUEST,
                        "'" + name + "' " + rule + ".",
                        name,
                        "unsupported_parameter"));
    }

    /** To be called when every known field was read. */
    void refuseOthers() {
        for (String field : object.propertyNames()) {
            if (!known.contains(field)) {
                String name = path(field.length() <= 64 ? field : field.substring(0, 64) + "…");
                throw new Refusal(
                        Problem.invalid(
                                HttpStatus.BAD_REQUEST,
                                "Unknown field '"
                                        + name
                                        + "': this server ignores nothing; leave it out.",
                                name,
                                "unknown_parameter"));
            }
        }
    }

    Refusal refuse(String field, String rule) {
        return invalid(path(field), "'" + path(field) + "' " + rule + ".");
    }

    /** A string of whole characters: half a surrogate pair has no bytes a tokenizer could read. */
    static String text(String name, JsonNode node) {
        if (!node.isString()) {
            throw invalid(name, "'" + name + "' must be a string.");
        }
        String text = node.stringValue();
        for (int i = 0; i < text.length(); i++) {
            if (Character.isHighSurrogate(text.charAt(i))
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(text.charAt(i))) {
                throw invalid(
                        name, "'" + name + "' holds half a surrogate pair at character " + i + ".");
            }
        }
        return text;
    }

    /** Clients write whole numbers as 1 or as 1.0. */
    static long integer(String name, JsonNode node, long least, long most) {
        String rule =
                least == Long.MIN_VALUE
                        ? "a whole number of 64 bits"
                        : "a whole number from " + least + " to " + most;
        if (node.isIntegralNumber()) {
            BigInteger number = node.bigIntegerValue();
            if (number.bitLength() <= 63
                    && number.longValue() >= least
                    && number.longValue() <= most) {
                return number.longValue();
            }
        } else if (node.isNumber()) {
            double number = node.doubleValue();
            // Beyond 2^53 a double no longer says which whole number was meant.
            if (number == Math.rint(number)
                    && Math.abs(number) <= 0x1p53
                    && number >= least
                    && number <= most) {
                return (long) number;
            }
        }
        throw invalid(name, "'" + name + "' must be " + rule + ".");
    }
}
