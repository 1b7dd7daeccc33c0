package dev.aril.engine.text;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The variables that a part of a template sees: its own, and those around it. */
final class Scope {
    private final Map<String, Object> own = new HashMap<>();
    private final @Nullable Scope outer;
    private final TemplateLimits limits;

    Scope(TemplateLimits limits, Map<String, Object> variables) {
        this.outer = null;
        this.limits = limits;
        own.putAll(variables);
    }

    private Scope(Scope outer) {
        this.outer = outer;
        this.limits = outer.limits;
    }

    /** What is set in it is gone with it. */
    Scope inner() {
        return new Scope(this);
    }

    TemplateLimits limits() {
        return limits;
    }

    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.outer) {
            Object value = scope.own.get(name);
            if (value != null) {
                return value;
            }
        }
        return Undefined.name(name);
    }

    void set(String name, Object value) {
        own.put(name, value);
    }
}
