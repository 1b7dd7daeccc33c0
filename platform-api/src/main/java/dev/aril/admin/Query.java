package dev.aril.admin;

import java.time.Instant;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.util.MultiValueMap;

/**
 * A URL's parameters, of which each is read or refused by name. Read them, then call {@link #done}.
 */
final class Query {
    private final MultiValueMap<String, String> given;
    private final Set<String> known = new LinkedHashSet<>();

    Query(MultiValueMap<String, String> given) {
        this.given = given;
    }

    Optional<String> text(String name, String limit) {
        known.add(name);
        List<String> values = given.getOrDefault(name, List.of());
        if (values.size() > 1) {
            throw Fields.refused(name, name + " is given more than once.", limit);
        }
        // a parameter without a value, as forms send it, is as good as absent
        Optional<String> text =
                values.isEmpty() || values.getFirst() == null || values.getFirst().isEmpty()
                        ? Optional.empty()
                        : Optional.of(values.getFirst());
        text.ifPresent(value -> {
            if (value.length() > 500 || value.chars().anyMatch(Character::isISOControl)) {
                throw Fields.refused(
                        name, name + " is too long or holds a control character.", limit);
            }
        });
        return text;
    }

    <E extends Enum<E>> Optional<E> choice(String name, E[] all) {
        return text(name, "one of " + Choices.names(all))
                .map(text -> Choices.parse(name, text, all));
    }

    int number(String name, int least, int most, int otherwise) {
        String limit = "a whole number from " + least + " to " + most;
        return text(name, limit)
                .map(text -> {
                    try {
                        int number = Integer.parseInt(text);
                        if (number >= least && number <= most) {
                            return number;
                        }
                    } catch (NumberFormatException e) {
                        // refused below
                    }
                    throw Fields.refused(
                            name, name + " cannot be " + Fields.shortened(text) + ".", limit);
                })
                .orElse(otherwise);
    }

    /** A whole number that people may group with commas or blanks. */
    OptionalLong amount(String name, long least, long most) {
        String limit = "a whole number from " + least + " to " + most;
        Optional<String> text = text(name, limit).map(given -> given.replaceAll("[ ,_]", ""));
        if (text.isEmpty()) {
            return OptionalLong.empty();
        }
        try {
            long number = Long.parseLong(text.get());
            if (number >= least && number <= most) {
                return OptionalLong.of(number);
            }
        } catch (NumberFormatException e) {
            // refused below
        }
        throw Fields.refused(
                name, name + " cannot be " + Fields.shortened(text.get()) + ".", limit);
    }

    List<String> texts(String name) {
        known.add(name);
        return given.getOrDefault(name, List.of());
    }

    Optional<Instant> instant(String name) {
        return text(name, Fields.Times.FORM).map(text -> Fields.Times.parse(name, text));
    }

    /** Where the page before ended. */
    @Nullable String after() {
        return text("after", "next of the page before").orElse(null);
    }

    int limit() {
        return number("limit", 1, 1000, 100);
    }

    /** Refuses what was not asked for. */
    void done() {
        for (String name : given.keySet()) {
            if (!known.contains(name)) {
                throw Fields.refused(
                        name,
                        Fields.shortened(name) + " is not a parameter of this URL.",
                        known.isEmpty()
                                ? "nothing: this URL has no parameters"
                                : "one of the parameters " + String.join(", ", known));
            }
        }
    }
}
