package dev.aril.api;

import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.TreeSet;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Do two requests ask the same? SHA-256 over the body in a canonical form: the order of an object's
 * fields, how numbers are written, and fields that are null make no difference.
 */
final class RequestHash {
    private RequestHash() {}

    /**
     * @param path of the URL asked
     * @return 32 bytes
     */
    static byte[] of(String path, ObjectNode body) {
        StringBuilder canonical = new StringBuilder(path).append('\n');
        write(body, canonical);
        try {
            return MessageDigest.getInstance("SHA-256")
                    .digest(canonical.toString().getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void write(JsonNode node, StringBuilder to) {
        if (node instanceof ObjectNode object) {
            to.append('{');
            for (String name : new TreeSet<>(object.propertyNames())) {
                JsonNode value = object.get(name);
                if (!value.isNull()) {
                    text(name, to);
                    write(value, to);
                }
            }
            to.append('}');
        } else if (node.isArray()) {
            to.append('[');
            node.forEach(element -> write(element, to));
            to.append(']');
        } else if (node.isString()) {
            text(node.stringValue(), to);
        } else if (node.isNumber()) {
            to.append(number(node)).append(';');
        } else {
            to.append(node).append(';');
        }
    }

    /** With its length, so that no two texts in a row read like two others. */
    private static void text(String text, StringBuilder to) {
        to.append('"').append(text.length()).append(':').append(text);
    }

    private static String number(JsonNode node) {
        if (node.isIntegralNumber() || Double.isFinite(node.doubleValue())) {
            BigDecimal number = node.decimalValue().stripTrailingZeros();
            return number.toString();
        }
        return node.toString();
    }
}
