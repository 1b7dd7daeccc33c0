package dev.aril.engine.text;

import dev.aril.engine.text.PythonValue.Generator;
import dev.aril.engine.text.PythonValue.Tuple;
import dev.aril.engine.text.PythonValue.View;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Jinja's tests, {@code x is y}, and the comparisons. */
final class TemplateTests {
    private static final Map<String, String> COMPARISONS =
            Map.ofEntries(
                    Map.entry("eq", "=="),
                    Map.entry("equalto", "=="),
                    Map.entry("==", "=="),
                    Map.entry("ne", "!="),
                    Map.entry("!=", "!="),
                    Map.entry("gt", ">"),
                    Map.entry("greaterthan", ">"),
                    Map.entry(">", ">"),
                    Map.entry("ge", ">="),
                    Map.entry(">=", ">="),
                    Map.entry("lt", "<"),
                    Map.entry("lessthan", "<"),
                    Map.entry("<", "<"),
                    Map.entry("le", "<="),
                    Map.entry("<=", "<="),
                    Map.entry("in", "in"));

    private static final Set<String> OTHERS =
            Set.of(
                    "boolean",
                    "callable",
                    "defined",
                    "divisibleby",
                    "even",
                    "false",
                    "float",
                    "integer",
                    "iterable",
                    "lower",
                    "mapping",
                    "none",
                    "number",
                    "odd",
                    "sequence",
                    "string",
                    "true",
                    "undefined",
                    "upper");

    private TemplateTests() {}

    static void check(String test) {
        if (!COMPARISONS.containsKey(test) && !OTHERS.contains(test)) {
            throw new IllegalArgumentException("the test " + test);
        }
    }

    static boolean holds(String test, Object value, Given given) {
        String comparison = COMPARISONS.get(test);
        if (comparison != null) {
            return compare(comparison, value, argument(test, given));
        }
        if (test.equals("divisibleby")) {
            return PythonValue.equal(Operators.apply("%", value, argument(test, given)), 0L);
        }
        given.bind("the test " + test);
        return switch (test) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value == PythonValue.NONE;
            case "true" -> value.equals(true);
            case "false" -> value.equals(false);
            case "boolean" -> value instanceof Boolean;
            case "integer" -> value instanceof Long;
            case "float" -> value instanceof Double;
            case "number" -> PythonValue.isNumber(value);
            case "string" -> value instanceof String;
            case "mapping" -> value instanceof Map;
            // Jinja's undefined can be called, to say that it is undefined
            case "callable" -> value instanceof TemplateCallable || value instanceof Undefined;
            case "sequence" -> isSequence(value);
            case "iterable" ->
                    isSequence(value) || value instanceof View || value instanceof Generator;
            case "odd" -> PythonValue.equal(Operators.apply("%", value, 2L), 1L);
            case "even" -> PythonValue.equal(Operators.apply("%", value, 2L), 0L);
            case "lower" -> PythonText.is(PythonValue.text(value), "islower");
            case "upper" -> PythonText.is(PythonValue.text(value), "isupper");
            default -> throw new TemplateFault("the test " + test + " is not supported");
        };
    }

    private static boolean isSequence(Object value) {
        return value instanceof String
                || value instanceof List
                || value instanceof Tuple
                || value instanceof Map
                || value instanceof Undefined
                || (value instanceof View view && view.kind().equals("range"));
    }

    private static Object argument(String test, Given given) {
        @Nullable Object argument = given.bind("the test " + test, "other")[0];
        if (argument == null) {
            throw new TemplateFault("the test " + test + " lacks its argument");
        }
        return argument;
    }

    /**
     * @param operator one of {@code == != < <= > >= in}, {@code not in}
     */
    static boolean compare(String operator, Object a, Object b) {
        return switch (operator) {
            case "==" -> PythonValue.equal(a, b);
            case "!=" -> !PythonValue.equal(a, b);
            case "in" -> PythonValue.contains(b, a);
            case "not in" -> !PythonValue.contains(b, a);
            case "<" -> PythonValue.compare(a, b) < 0;
            case "<=" -> PythonValue.compare(a, b) <= 0;
            case ">" -> PythonValue.compare(a, b) > 0;
            default -> PythonValue.compare(a, b) >= 0;
        };
    }
}
