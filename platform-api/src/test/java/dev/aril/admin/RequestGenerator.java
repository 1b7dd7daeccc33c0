package dev.aril.admin;

import java.math.BigDecimal;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Requests made from an OpenAPI document: half as it asks for them, half with something wrong in
 * them. The same seed makes the same requests.
 */
final class RequestGenerator {
    /** Netty reads 4096 bytes of a request's first line; a longer one never reaches a handler. */
    private static final int MOST_PATH = 4000;

    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final String[] TEXTS = {
        "",
        " ",
        "a",
        "A",
        "null",
        "0",
        "-1",
        "é",
        "𝄞",
        "\u0000",
        "\n",
        "'; drop table tenants; --",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "%00",
        "%",
        "\uD800",
        "a".repeat(64),
        "a".repeat(501),
        "x".repeat(5000),
        "2026-13-45T99:00:00Z",
        "2026-11-22T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "-999999999-01-01T00:00:00Z",
        "{}",
        "[]",
        "${7*7}",
        "[[${7*7}]]"
    };
    private static final long[] NUMBERS = {
        0,
        1,
        -1,
        2,
        3,
        30,
        100,
        1000,
        1001,
        Integer.MAX_VALUE,
        1L << 31,
        1L << 53,
        Long.MAX_VALUE,
        Long.MIN_VALUE
    };

    /** What is sent. */
    record Sent(
            OpenApi.Operation operation,
            String path,
            @Nullable String body,
            @Nullable String contentType,
            Map<String, String> headers) {
        @Override
        public String toString() {
            return operation.method() + " " + path + " " + contentType + " " + body;
        }
    }

    private final OpenApi document;
    private final Random random;
    private final Map<String, List<String>> known;

    /**
     * @param known names that exist, by parameter or field, so that requests get past a 404
     */
    RequestGenerator(OpenApi document, Map<String, List<String>> known, Random random) {
        this.document = document;
        this.known = known;
        this.random = random;
    }

    /** The next one whose first line the server reads at all. */
    Sent next(OpenApi.Operation operation) {
        Sent sent = attempt(operation);
        while (sent.path().length() > MOST_PATH) {
            sent = attempt(operation);
        }
        return sent;
    }

    private Sent attempt(OpenApi.Operation operation) {
        boolean spoil = random.nextBoolean();
        String path = operation.path();
        for (OpenApi.Parameter parameter : operation.in("path")) {
            String value =
                    spoil && random.nextInt(4) == 0
                            ? TEXTS[random.nextInt(TEXTS.length)]
                            : text(parameter.name(), parameter.schema());
            path = path.replace("{" + parameter.name() + "}", encode(value));
        }
        List<String> query = new ArrayList<>();
        for (OpenApi.Parameter parameter : operation.in("query")) {
            if (parameter.required() ? !chance(spoil, 5) : random.nextInt(3) == 0) {
                query.add(
                        parameter.name()
                                + "="
                                + encode(
                                        chance(spoil, 3)
                                                ? TEXTS[random.nextInt(TEXTS.length)]
                                                : text(parameter.name(), parameter.schema())));
            }
        }
        if (chance(spoil, 12)) {
            query.add("unknown=1");
        }
        if (chance(spoil, 20) && !query.isEmpty()) {
            query.add(query.getFirst());
        }
        path += query.isEmpty() ? "" : "?" + String.join("&", query);
        JsonNode schema = operation.body().get("application/json");
        if (schema == null) {
            return new Sent(operation, path, null, null, Map.of());
        }
        String type = chance(spoil, 25) ? "text/plain" : "application/json";
        return new Sent(operation, path, body(schema, spoil), type, Map.of());
    }

    private String body(JsonNode schema, boolean spoil) {
        if (chance(spoil, 20)) {
            return new String[] {"", "{", "null", "[]", "\"x\"", "{\"a\":1,\"a\":2}", "{}{}"}
                    [random.nextInt(7)];
        }
        JsonNode body = value("", schema, 0);
        if (spoil && body instanceof ObjectNode object) {
            spoil(object);
        }
        return body.toString();
    }

    /** One thing is wrong: missing, unknown, or of another kind. */
    private void spoil(ObjectNode object) {
        List<String> names = new ArrayList<>(object.propertyNames());
        switch (names.isEmpty() ? 0 : random.nextInt(4)) {
            case 0 -> object.set("unknown", odd());
            case 1 -> object.remove(names.get(random.nextInt(names.size())));
            default -> object.set(names.get(random.nextInt(names.size())), odd());
        }
    }

    private JsonNode odd() {
        return switch (random.nextInt(8)) {
            case 0 -> JSON.nullNode();
            case 1 -> JSON.booleanNode(random.nextBoolean());
            case 2 -> JSON.numberNode(NUMBERS[random.nextInt(NUMBERS.length)]);
            case 3 -> JSON.numberNode(random.nextGaussian() * 1e6);
            case 4 -> JSON.arrayNode().add(TEXTS[random.nextInt(TEXTS.length)]).add(1);
            case 5 -> JSON.objectNode().put("a", 1);
            case 6 -> JSON.numberNode(new BigDecimal("1e400"));
            default -> JSON.stringNode(TEXTS[random.nextInt(TEXTS.length)]);
        };
    }

    private JsonNode value(String name, JsonNode raw, int depth) {
        JsonNode schema = document.follow(raw);
        List<String> exist = known.get(name);
        if (exist != null && random.nextInt(4) != 0) {
            return JSON.stringNode(exist.get(random.nextInt(exist.size())));
        }
        if (schema.has("enum")) {
            return schema.get("enum").get(random.nextInt(schema.get("enum").size()));
        }
        JsonNode types = schema.path("type");
        String type =
                types.isArray()
                        ? types.get(random.nextInt(types.size())).stringValue()
                        : types.asString("string");
        return switch (type) {
            case "object" -> object(schema, depth);
            case "array" -> array(name, schema, depth);
            case "integer" -> JSON.numberNode(integer(schema));
            case "number" -> JSON.numberNode(number(schema));
            case "boolean" -> JSON.booleanNode(random.nextBoolean());
            case "null" -> JSON.nullNode();
            default -> JSON.stringNode(string(schema));
        };
    }

    private ObjectNode object(JsonNode schema, int depth) {
        ObjectNode object = JSON.objectNode();
        List<String> required = new ArrayList<>();
        schema.path("required").forEach(r -> required.add(r.stringValue()));
        schema.path("properties")
                .properties()
                .forEach(property -> {
                    if (required.contains(property.getKey()) || random.nextInt(4) == 0) {
                        object.set(
                                property.getKey(),
                                value(property.getKey(), property.getValue(), depth + 1));
                    }
                });
        return object;
    }

    private ArrayNode array(String name, JsonNode schema, int depth) {
        ArrayNode array = JSON.arrayNode();
        int size = Math.max(schema.path("minItems").asInt(0), random.nextInt(3));
        for (int i = 0; i < size && depth < 6; i++) {
            array.add(
                    schema.has("items")
                            ? value(name + "[]", schema.get("items"), depth + 1)
                            : JSON.numberNode(random.nextInt(100)));
        }
        return array;
    }

    private long integer(JsonNode schema) {
        long least = schema.path("minimum").asLong(0);
        long most = schema.path("maximum").asLong(Math.max(least, 0) + 64);
        return switch (random.nextInt(4)) {
            case 0 -> least;
            case 1 -> most;
            default -> least + Math.floorMod(random.nextLong(), Math.min(most - least + 1, 200));
        };
    }

    private double number(JsonNode schema) {
        double least = schema.path("minimum").asDouble(schema.path("exclusiveMinimum").asDouble(0));
        double most = schema.path("maximum").asDouble(least + 10);
        return least + (most - least) * (1 - random.nextDouble());
    }

    private String text(String name, JsonNode schema) {
        JsonNode value = value(name, schema, 0);
        return value.isString() ? value.stringValue() : value.toString();
    }

    private String string(JsonNode schema) {
        if (schema.path("format").asString("").equals("date-time")) {
            return "20%02d-%02d-%02dT%02d:00:00Z"
                    .formatted(
                            20 + random.nextInt(15),
                            1 + random.nextInt(12),
                            1 + random.nextInt(28),
                            random.nextInt(24));
        }
        if (schema.path("format").asString("").equals("uuid")) {
            return new UUID(random.nextLong(), random.nextLong()).toString();
        }
        int length =
                Math.clamp(
                        schema.path("minLength").asInt(1) + random.nextInt(12),
                        1,
                        schema.path("maxLength").asInt(12));
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append((char) ('a' + random.nextInt(26)));
        }
        return text.toString();
    }

    private boolean chance(boolean spoil, int of) {
        return spoil && random.nextInt(of) == 0;
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
