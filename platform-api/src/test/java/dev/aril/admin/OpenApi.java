package dev.aril.admin;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** An OpenAPI document, with its references followed. */
final class OpenApi {
    private static final Set<String> METHODS = Set.of("get", "put", "post", "delete", "patch");

    /**
     * @param role least role, empty on the data plane
     * @param body schema of the body by media type
     */
    record Operation(
            String id,
            String method,
            String path,
            String role,
            List<Parameter> parameters,
            Map<String, JsonNode> body,
            Map<String, JsonNode> responses) {
        List<Parameter> in(String where) {
            return parameters.stream().filter(p -> p.where().equals(where)).toList();
        }

        @Override
        public String toString() {
            return method + " " + path;
        }
    }

    record Parameter(String name, String where, boolean required, JsonNode schema) {}

    private final JsonNode document;

    OpenApi(String json) {
        this.document = JsonMapper.shared().readTree(json);
    }

    List<Operation> operations() {
        List<Operation> operations = new ArrayList<>();
        document.path("paths")
                .properties()
                .forEach(path -> {
                    for (var member : path.getValue().properties()) {
                        if (METHODS.contains(member.getKey())) {
                            operations.add(
                                    operation(
                                            member.getKey().toUpperCase(Locale.ROOT),
                                            path.getKey(),
                                            path.getValue(),
                                            member.getValue()));
                        }
                    }
                });
        return operations;
    }

    private Operation operation(String method, String path, JsonNode item, JsonNode operation) {
        List<Parameter> parameters = new ArrayList<>();
        for (JsonNode from : List.of(item.path("parameters"), operation.path("parameters"))) {
            for (JsonNode parameter : from) {
                parameters.add(
                        new Parameter(
                                parameter.path("name").asString(),
                                parameter.path("in").asString(),
                                parameter.path("required").asBoolean(false),
                                follow(parameter.path("schema"))));
            }
        }
        Map<String, JsonNode> body = new LinkedHashMap<>();
        operation
                .path("requestBody")
                .path("content")
                .properties()
                .forEach(
                        entry -> body.put(entry.getKey(), follow(entry.getValue().path("schema"))));
        Map<String, JsonNode> responses = new LinkedHashMap<>();
        operation
                .path("responses")
                .properties()
                .forEach(entry -> responses.put(entry.getKey(), follow(entry.getValue())));
        return new Operation(
                operation.path("operationId").asString(),
                method,
                path,
                operation.path("x-role").asString(""),
                parameters,
                body,
                responses);
    }

    JsonNode follow(JsonNode node) {
        JsonNode reference = node.path("$ref");
        return reference.isString()
                ? follow(document.at(reference.stringValue().substring(1)))
                : node;
    }

    /** All references and operation ids, to see that each leads somewhere and is used once. */
    Set<String> brokenReferences() {
        Set<String> broken = new TreeSet<>();
        collect(document, broken);
        return broken;
    }

    private void collect(JsonNode node, Set<String> broken) {
        if (node instanceof ObjectNode object && object.path("$ref").isString()) {
            String target = object.path("$ref").stringValue();
            if (!target.startsWith("#/") || document.at(target.substring(1)).isMissingNode()) {
                broken.add(target);
            }
        }
        node.forEach(child -> collect(child, broken));
    }

    /**
     * Why a value does not fit a schema; null if it does. Knows the keywords that the documents
     * use.
     */
    @Nullable String misfit(JsonNode raw, JsonNode value, String at) {
        JsonNode schema = follow(raw);
        for (JsonNode part : schema.path("allOf")) {
            String misfit = misfit(part, value, at);
            if (misfit != null) {
                return misfit;
            }
        }
        if (schema.has("enum")) {
            for (JsonNode allowed : schema.get("enum")) {
                if (allowed.equals(value)) {
                    return null;
                }
            }
            return at + " is " + value;
        }
        if (schema.has("type") && !typed(schema.get("type"), value)) {
            return at + " is not " + schema.get("type") + ": " + value;
        }
        if (value.isObject()) {
            for (JsonNode name : schema.path("required")) {
                if (!value.has(name.stringValue())) {
                    return at + "." + name.stringValue() + " is missing";
                }
            }
            for (var field : value.properties()) {
                JsonNode property = schema.path("properties").path(field.getKey());
                if (!property.isMissingNode()) {
                    String misfit = misfit(property, field.getValue(), at + "." + field.getKey());
                    if (misfit != null) {
                        return misfit;
                    }
                }
            }
        }
        if (value.isArray() && schema.has("items")) {
            for (JsonNode item : value) {
                String misfit = misfit(schema.get("items"), item, at + "[]");
                if (misfit != null) {
                    return misfit;
                }
            }
        }
        return null;
    }

    private static boolean typed(JsonNode type, JsonNode value) {
        if (type.isArray()) {
            for (JsonNode each : type) {
                if (typed(each, value)) {
                    return true;
                }
            }
            return false;
        }
        return switch (type.stringValue()) {
            case "object" -> value.isObject();
            case "array" -> value.isArray();
            case "string" -> value.isString();
            case "integer" -> value.isIntegralNumber();
            case "number" -> value.isNumber();
            case "boolean" -> value.isBoolean();
            case "null" -> value.isNull();
            default -> throw new IllegalArgumentException("unknown type " + type);
        };
    }
}
