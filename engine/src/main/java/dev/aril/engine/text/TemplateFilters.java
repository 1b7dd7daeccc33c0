package dev.aril.engine.text;

import dev.aril.engine.text.PythonValue.Generator;
import dev.aril.engine.text.PythonValue.Tuple;
import dev.aril.engine.text.PythonValue.View;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Jinja's filters of one value; those of sequences are {@link SequenceFilters}. */
final class TemplateFilters {
    private static final Set<String> NAMES =
            Set.of(
                    "abs",
                    "capitalize",
                    "count",
                    "d",
                    "default",
                    "float",
                    "indent",
                    "int",
                    "items",
                    "length",
                    "list",
                    "lower",
                    "replace",
                    "reverse",
                    "string",
                    "title",
                    "tojson",
                    "trim",
                    "upper");

    private static final Pattern WORD_BREAK =
            Pattern.compile("[-\\s({\\[<]+", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern INTEGER = Pattern.compile("\\s*[-+]?[0-9]+(_[0-9]+)*\\s*");
    private static final Pattern NUMBER =
            Pattern.compile("\\s*[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?\\s*");

    private TemplateFilters() {}

    static void check(String filter) {
        if (!NAMES.contains(filter) && !SequenceFilters.NAMES.contains(filter)) {
            throw new IllegalArgumentException("the filter " + filter);
        }
    }

    /** Filters and tests that a filter is given by their names. */
    static void check(String filter, Arguments arguments) {
        boolean test = Set.of("select", "reject", "selectattr", "rejectattr").contains(filter);
        int at = filter.endsWith("attr") ? 1 : 0;
        if ((test || filter.equals("map"))
                && arguments.positional().size() > at
                && arguments.positional().get(at) instanceof Expression.Literal(String name)) {
            if (test) {
                TemplateTests.check(name);
            } else {
                check(name);
            }
        }
    }

    static Object apply(String filter, Object value, Given given, Scope scope) {
        if (SequenceFilters.NAMES.contains(filter)) {
            return SequenceFilters.apply(filter, value, given, scope);
        }
        return switch (filter) {
            case "default", "d" -> {
                @Nullable Object[] a = given.bind(filter, "default_value", "boolean");
                boolean falsy = a[1] != null && PythonValue.truth(a[1]);
                Object otherwise = a[0] == null ? "" : a[0];
                yield value instanceof Undefined || (falsy && !PythonValue.truth(value))
                        ? otherwise
                        : value;
            }
            case "tojson" -> PythonJson.filter(value, given);
            case "trim" -> {
                @Nullable Object chars = given.bind(filter, "chars")[0];
                yield PythonText.strip(
                        PythonValue.text(value),
                        chars == null || chars == PythonValue.NONE ? null : PythonValue.text(chars),
                        true,
                        true);
            }
            case "replace" -> {
                @Nullable Object[] a = given.bind(filter, "old", "new", "count");
                if (a[0] == null || a[1] == null) {
                    throw new TemplateFault("replace lacks an argument");
                }
                yield PythonText.replace(
                        PythonValue.text(value),
                        PythonValue.text(a[0]),
                        PythonValue.text(a[1]),
                        a[2] == null || a[2] == PythonValue.NONE ? -1 : Numbers.whole(a[2]));
            }
            case "indent" -> {
                if (!(value instanceof String text)) {
                    throw new TemplateFault("indent takes a text, not " + PythonValue.kind(value));
                }
                yield indent(text, given);
            }
            case "int" -> integer(value, given);
            case "float" -> real(value, given);
            default -> {
                given.bind(filter);
                yield plain(filter, value);
            }
        };
    }

    /** Those without arguments. */
    private static Object plain(String filter, Object value) {
        return switch (filter) {
            case "length", "count" -> PythonValue.length(value);
            case "list" -> PythonValue.list(value);
            case "string" -> PythonValue.text(value);
            case "upper" -> PythonValue.text(value).toUpperCase(Locale.ROOT);
            case "lower" -> PythonValue.text(value).toLowerCase(Locale.ROOT);
            case "capitalize" -> PythonText.capitalize(PythonValue.text(value));
            case "title" -> title(PythonValue.text(value));
            case "abs" ->
                    value instanceof Double d
                            ? (Object) Math.abs(d)
                            : absolute(Numbers.whole(value));
            case "items" ->
                    switch (value) {
                        case Map<?, ?> map ->
                                new Generator(PythonMethods.items(map).items().iterator());
                        case Undefined missing -> new Generator(Collections.emptyIterator());
                        default ->
                                throw new TemplateFault(
                                        "items takes a map, not " + PythonValue.kind(value));
                    };
            case "reverse" -> reversed(value);
            default -> throw new TemplateFault("the filter " + filter + " is not supported");
        };
    }

    private static long absolute(long value) {
        return value < 0 ? Numbers.whole(Numbers.negative(value)) : value;
    }

    private static Object reversed(Object value) {
        return switch (value) {
            case String text -> PythonAccess.slice(text, null, null, -1L);
            case List<?> list -> new Generator(PythonValue.list(value).reversed().iterator());
            case Tuple tuple -> new Generator(tuple.items().reversed().iterator());
            case View view -> new Generator(view.items().reversed().iterator());
            case Undefined missing -> new Generator(Collections.emptyIterator());
            default -> {
                List<Object> all = new ArrayList<>(PythonValue.list(value));
                Collections.reverse(all);
                yield all;
            }
        };
    }

    /** Jinja's own: a capital behind a blank, a hyphen or an opening bracket. */
    private static String title(String text) {
        StringBuilder out = new StringBuilder();
        Matcher breaks = WORD_BREAK.matcher(text);
        int from = 0;
        while (breaks.find()) {
            out.append(PythonText.capitalize(text.substring(from, breaks.start())));
            out.append(breaks.group());
            from = breaks.end();
        }
        return out.append(PythonText.capitalize(text.substring(from))).toString();
    }

    private static String indent(String text, Given given) {
        @Nullable Object[] a = given.bind("indent", "width", "first", "blank");
        String width =
                switch (a[0]) {
                    case null -> "    ";
                    case String indent -> indent;
                    case Object number ->
                            " ".repeat((int) Math.clamp(Numbers.whole(number), 0L, 1000L));
                };
        boolean first = a[1] != null && PythonValue.truth(a[1]);
        boolean blank = a[2] != null && PythonValue.truth(a[2]);
        // as Jinja does, so that a text's last line is one
        List<String> lines = PythonText.lines(text + "\n", false);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            boolean indents = i == 0 ? first : blank || !line.isEmpty();
            out.append(i == 0 ? "" : "\n").append(indents ? width : "").append(line);
            TemplateLimits.text(out.length());
        }
        return out.toString();
    }

    private static Object integer(Object value, Given given) {
        @Nullable Object[] a = given.bind("int", "default", "base");
        if (a[1] != null && !a[1].equals(10L)) {
            throw new TemplateFault("the filter int with another base is not supported");
        }
        Object otherwise = a[0] == null ? (Object) 0L : a[0];
        return switch (value) {
            case Undefined missing -> throw missing.fault();
            case Long n -> n;
            case Boolean b -> Numbers.whole(b);
            case Double d when Double.isNaN(d) || Double.isInfinite(d) || Math.abs(d) >= 0x1p63 ->
                    throw new TemplateFault("the filter int of " + d + " is not supported");
            case Double d -> (long) (double) d;
            case String text when INTEGER.matcher(text).matches() ->
                    Long.parseLong(text.strip().replace("_", ""));
            case String text when NUMBER.matcher(text).matches() ->
                    (long) Double.parseDouble(text.strip());
            default -> otherwise;
        };
    }

    private static Object real(Object value, Given given) {
        @Nullable Object[] a = given.bind("float", "default");
        return switch (value) {
            case Undefined missing -> throw missing.fault();
            case Object number when PythonValue.isNumber(number) -> Numbers.real(number);
            case String text when NUMBER.matcher(text).matches() ->
                    Double.parseDouble(text.strip());
            default -> a[0] == null ? (Object) 0.0 : a[0];
        };
    }
}
