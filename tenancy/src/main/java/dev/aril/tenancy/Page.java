package dev.aril.tenancy;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Some of a long list, by key and not by number: what is added meanwhile moves nothing.
 *
 * @param next what to ask the following page with; null on the last
 */
public record Page<T>(List<T> items, @Nullable String next) {
    public Page {
        items = List.copyOf(items);
    }
}
