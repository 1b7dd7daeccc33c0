package dev.aril.engine.text;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A call's arguments, as values. */
record Given(List<Object> positional, Map<String, Object> named) {
    static final Given NOTHING = new Given(List.of(), Map.of());

    /**
     * Each parameter's value; null where none was given.
     *
     * @throws TemplateFault if there are more, or others
     */
    @Nullable Object[] bind(String callee, String... parameters) {
        if (positional.size() > parameters.length) {
            throw new TemplateFault(callee + " takes at most " + parameters.length + " arguments");
        }
        @Nullable Object[] bound = new @Nullable Object[parameters.length];
        for (int i = 0; i < positional.size(); i++) {
            bound[i] = positional.get(i);
        }
        named.forEach((name, value) -> {
            int at = List.of(parameters).indexOf(name);
            if (at < 0 || bound[at] != null) {
                throw new TemplateFault(
                        callee + ": the argument " + name + " is unknown, or given twice");
            }
            bound[at] = value;
        });
        return bound;
    }

    /** The arguments behind the first few. */
    Given from(int first) {
        return new Given(
                positional.subList(Math.min(first, positional.size()), positional.size()), named);
    }
}
