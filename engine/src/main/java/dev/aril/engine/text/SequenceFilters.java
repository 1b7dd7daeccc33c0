package dev.aril.engine.text;

import dev.aril.engine.text.PythonValue.Generator;
import dev.aril.engine.text.PythonValue.Tuple;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * Jinja's filters of sequences. What they give one by one can be gone through once, as in Jinja.
 */
final class SequenceFilters {
    static final Set<String> NAMES =
            Set.of(
                    "dictsort",
                    "first",
                    "join",
                    "last",
                    "map",
                    "max",
                    "min",
                    "reject",
                    "rejectattr",
                    "select",
                    "selectattr",
                    "sort",
                    "sum",
                    "unique");

    private SequenceFilters() {}

    static Object apply(String filter, Object value, Given given, Scope scope) {
        return switch (filter) {
            case "first" -> {
                given.bind(filter);
                Iterator<Object> items = PythonValue.items(value).iterator();
                yield items.hasNext() ? items.next() : new Undefined("there is no first item");
            }
            case "last" -> {
                given.bind(filter);
                if (value instanceof Generator) {
                    throw new TemplateFault("a generator object has no last item");
                }
                List<Object> items = PythonValue.list(value);
                yield items.isEmpty() ? new Undefined("there is no last item") : items.getLast();
            }
            case "join" -> join(value, given);
            case "map" -> mapped(value, given, scope);
            case "select", "reject" -> {
                Predicate<Object> test = test(given, 0);
                yield filtered(value, filter.equals("select") ? test : test.negate());
            }
            case "selectattr", "rejectattr" -> {
                if (given.positional().isEmpty()) {
                    throw new TemplateFault(filter + " lacks its attribute");
                }
                UnaryOperator<Object> attribute = attribute(given.positional().getFirst());
                Predicate<Object> test = test(given, 1);
                Predicate<Object> whole = item -> test.test(attribute.apply(item));
                yield filtered(value, filter.equals("selectattr") ? whole : whole.negate());
            }
            case "sort" -> {
                @Nullable Object[] a = given.bind(filter, "reverse", "case_sensitive", "attribute");
                List<Object> sorted = PythonValue.list(value);
                Comparator<Object> order = order(key(a[2], a[1]));
                sorted.sort(truth(a[0]) ? order.reversed() : order);
                yield sorted;
            }
            case "dictsort" -> dictSort(value, given);
            case "min", "max" -> {
                @Nullable Object[] a = given.bind(filter, "case_sensitive", "attribute");
                Comparator<Object> order = order(key(a[1], a[0]));
                Object best = null;
                for (Object item : PythonValue.items(value)) {
                    int sign = best == null ? 0 : order.compare(item, best);
                    if (best == null || (filter.equals("min") ? sign < 0 : sign > 0)) {
                        best = item;
                    }
                }
                yield best == null ? new Undefined("there is no item") : best;
            }
            case "unique" -> {
                @Nullable Object[] a = given.bind(filter, "case_sensitive", "attribute");
                UnaryOperator<Object> key = key(a[1], a[0]);
                List<Object> seen = new ArrayList<>();
                List<Object> kept = new ArrayList<>();
                for (Object item : PythonValue.list(value)) {
                    Object one = PythonValue.hashable(key.apply(item));
                    if (seen.stream().noneMatch(other -> PythonValue.equal(one, other))) {
                        seen.add(one);
                        kept.add(item);
                    }
                    scope.limits().step();
                }
                yield new Generator(kept.iterator());
            }
            case "sum" -> {
                @Nullable Object[] a = given.bind(filter, "attribute", "start");
                UnaryOperator<Object> attribute = attribute(a[0]);
                Object sum = a[1] == null ? (Object) 0L : a[1];
                for (Object item : PythonValue.items(value)) {
                    sum = Operators.apply("+", sum, attribute.apply(item));
                }
                yield sum;
            }
            default -> throw new TemplateFault("the filter " + filter + " is not supported");
        };
    }

    private static String join(Object value, Given given) {
        @Nullable Object[] a = given.bind("join", "d", "attribute");
        UnaryOperator<Object> attribute = attribute(a[1]);
        List<String> parts = new ArrayList<>();
        for (Object item : PythonValue.items(value)) {
            parts.add(PythonValue.text(attribute.apply(item)));
        }
        return PythonText.join(a[0] == null ? "" : PythonValue.text(a[0]), parts);
    }

    /** By a filter's name and its arguments, or {@code attribute=} and maybe {@code default=}. */
    private static Object mapped(Object value, Given given, Scope scope) {
        UnaryOperator<Object> each;
        if (given.positional().isEmpty()) {
            @Nullable Object[] a = given.bind("map", "attribute", "default");
            if (a[0] == null) {
                throw new TemplateFault("map lacks a filter or an attribute");
            }
            UnaryOperator<Object> attribute = attribute(a[0]);
            Object otherwise = a[1];
            each =
                    item -> {
                        Object found = attribute.apply(item);
                        return found instanceof Undefined && otherwise != null ? otherwise : found;
                    };
        } else {
            String filter = name(given.positional().getFirst(), "filter");
            Given rest = given.from(1);
            each = item -> TemplateFilters.apply(filter, item, rest, scope);
        }
        return new Generator(stream(value).map(each).iterator());
    }

    private static Generator filtered(Object value, Predicate<Object> test) {
        return new Generator(stream(value).filter(test).iterator());
    }

    private static Stream<Object> stream(Object value) {
        return StreamSupport.stream(PythonValue.items(value).spliterator(), false);
    }

    /** The test that is named at a place, with what follows; without one, whether it is true. */
    private static Predicate<Object> test(Given given, int at) {
        if (given.positional().size() <= at) {
            return PythonValue::truth;
        }
        String name = name(given.positional().get(at), "test");
        Given rest = given.from(at + 1);
        return item -> TemplateTests.holds(name, item, rest);
    }

    private static String name(Object value, String what) {
        if (!(value instanceof String name)) {
            throw new TemplateFault("the " + what + " " + PythonValue.kind(value));
        }
        return name;
    }

    /** By its name, with points between several; null for the item itself. */
    private static UnaryOperator<Object> attribute(@Nullable Object name) {
        if (name == null || name == PythonValue.NONE) {
            return item -> item;
        }
        if (name instanceof Long) {
            return item -> PythonAccess.item(item, name);
        }
        String[] parts = PythonValue.text(name).split("\\.", -1);
        return item -> {
            Object now = item;
            for (String part : parts) {
                Object index = part.matches("[0-9]{1,9}") ? (Object) Long.parseLong(part) : part;
                now = PythonAccess.item(now, index);
            }
            return now;
        };
    }

    /** What items are compared by: without their case, where nothing else is asked for. */
    private static UnaryOperator<Object> key(
            @Nullable Object attribute, @Nullable Object caseSensitive) {
        UnaryOperator<Object> of = attribute(attribute);
        return item -> {
            Object key = of.apply(item);
            return key instanceof String text && !truth(caseSensitive)
                    ? text.toLowerCase(Locale.ROOT)
                    : key;
        };
    }

    private static Comparator<Object> order(UnaryOperator<Object> key) {
        return (a, b) -> PythonValue.compare(key.apply(a), key.apply(b));
    }

    private static Object dictSort(Object value, Given given) {
        @Nullable Object[] a = given.bind("dictsort", "case_sensitive", "by", "reverse");
        if (!(value instanceof Map<?, ?> map)) {
            throw new TemplateFault("dictsort takes a map, not " + PythonValue.kind(value));
        }
        boolean byValue = a[1] != null && a[1].equals("value");
        if (!byValue && a[1] != null && !a[1].equals("key")) {
            throw new TemplateFault("dictsort: by is key or value");
        }
        List<Object> items = new ArrayList<>(PythonMethods.items(map).items());
        UnaryOperator<Object> key = key(null, a[0]);
        Comparator<Object> order =
                order(item -> key.apply(((Tuple) item).items().get(byValue ? 1 : 0)));
        items.sort(truth(a[2]) ? order.reversed() : order);
        return items;
    }

    private static boolean truth(@Nullable Object flag) {
        return flag != null && PythonValue.truth(flag);
    }
}
