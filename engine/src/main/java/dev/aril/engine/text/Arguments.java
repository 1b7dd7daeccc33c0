package dev.aril.engine.text;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A call's arguments, as written. */
record Arguments(List<Expression> positional, Map<String, Expression> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    Given in(Scope scope) {
        List<Object> values = new ArrayList<>(positional.size());
        for (Expression argument : positional) {
            values.add(argument.in(scope));
        }
        Map<String, Object> byName = new LinkedHashMap<>();
        named.forEach((name, argument) -> byName.put(name, argument.in(scope)));
        return new Given(values, byName);
    }
}
