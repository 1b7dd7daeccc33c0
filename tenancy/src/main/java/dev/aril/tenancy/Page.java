package dev.aril.tenancy;

import java.util.List;
import java.util.function.Function;
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

    /**
     * @param found one more than the page has room for, where there are more
     */
    static <T> Page<T> of(List<T> found, int limit, Function<T, String> key) {
        return found.size() <= limit
                ? new Page<>(found, null)
                : new Page<>(found.subList(0, limit), key.apply(found.get(limit - 1)));
    }

    /**
     * @throws IllegalArgumentException if it is not what a page said
     */
    static @Nullable Long number(@Nullable String after) {
        try {
            return after == null ? null : Long.valueOf(after);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("after must be what the page before said");
        }
    }
}
