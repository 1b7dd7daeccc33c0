package dev.aril.tenancy;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** What an API key may do. */
public enum KeyScope {
    /** Completions, chat and the list of models. */
    INFERENCE,
    /** Upload, list and delete adapters. */
    ADAPTERS,
    /** Read what was used. */
    USAGE;

    /** All of them. */
    public static final Set<KeyScope> ALL = Set.copyOf(EnumSet.allOf(KeyScope.class));

    /** As written in the database and in URLs: {@code inference}. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * @throws IllegalArgumentException that names all scopes
     */
    public static KeyScope of(String text) {
        for (KeyScope scope : values()) {
            if (scope.text().equals(text)) {
                return scope;
            }
        }
        throw new IllegalArgumentException(
                "scope must be one of "
                        + Arrays.stream(values())
                                .map(KeyScope::text)
                                .collect(Collectors.joining(", "))
                        + ", not "
                        + text);
    }
}
