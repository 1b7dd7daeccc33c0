package dev.aril.engine.model;

import dev.aril.engine.UnsupportedCheckpoint;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * The fields of a JSON object in a checkpoint's file. What is present and of another type than
 * asked for is an error that names it; null is as absent.
 *
 * @param file its name, for messages
 * @param path of the object, empty or ending in a dot
 */
record ConfigFields(String file, JsonNode object, String path) {
    boolean has(String name) {
        JsonNode node = object.path(name);
        return !node.isMissingNode() && !node.isNull();
    }

    /** Null counts as present: some defaults differ between absent and null. */
    boolean mentions(String name) {
        return object.has(name);
    }

    ConfigFields object(String name) {
        JsonNode node = object.path(name);
        if (!node.isObject()) {
            throw wrong(name, "must be an object");
        }
        return new ConfigFields(file, node, path + name + ".");
    }

    String text(String name) {
        return optionalText(name).orElseThrow(() -> wrong(name, "is missing"));
    }

    Optional<String> optionalText(String name) {
        if (!has(name)) {
            return Optional.empty();
        }
        if (!object.path(name).isString()) {
            throw wrong(name, "must be a string");
        }
        return Optional.of(object.path(name).asString());
    }

    boolean flag(String name) {
        if (has(name) && !object.path(name).isBoolean()) {
            throw wrong(name, "must be true or false");
        }
        return object.path(name).asBoolean(false);
    }

    int positive(String name) {
        JsonNode node = object.path(name);
        if (!node.isIntegralNumber() || !node.canConvertToInt() || node.asInt() <= 0) {
            throw wrong(name, "must be a positive whole number");
        }
        return node.asInt();
    }

    int positive(String name, int otherwise) {
        return has(name) ? positive(name) : otherwise;
    }

    /** Finite and greater than zero. */
    double number(String name) {
        JsonNode node = object.path(name);
        double value = node.isNumber() ? node.asDouble() : Double.NaN;
        if (!(value > 0 && Double.isFinite(value))) {
            throw wrong(name, "must be a positive number");
        }
        return value;
    }

    double number(String name, double otherwise) {
        return has(name) ? number(name) : otherwise;
    }

    /** A field's value for a message, shortened. */
    String shown(String name) {
        String text = object.path(name).toString();
        return Printable.of(text.length() > 80 ? text.substring(0, 80) + "…" : text);
    }

    UnsupportedCheckpoint wrong(String name, String what) {
        return new UnsupportedCheckpoint(
                file + ": " + path + name + " " + what + (has(name) ? ", not " + shown(name) : ""));
    }

    /** Asks for something that is not implemented. */
    UnsupportedCheckpoint unsupported(String name, String remedy) {
        return new UnsupportedCheckpoint(
                file + ": " + path + name + " " + shown(name) + " is not supported; " + remedy);
    }
}
