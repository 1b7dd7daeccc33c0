package dev.aril.admin;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** Enumerations on the wire: lower case with underscores. */
final class Choices {
    private Choices() {}

    static String wire(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }

    static String names(Enum<?>[] all) {
        return Arrays.stream(all).map(Choices::wire).collect(Collectors.joining(", "));
    }

    static <E extends Enum<E>> E parse(String field, String text, E[] all) {
        for (E value : all) {
            if (wire(value).equals(text)) {
                return value;
            }
        }
        throw Fields.refused(
                field,
                field + " cannot be " + Fields.shortened(text) + ".",
                "one of " + names(all));
    }
}
