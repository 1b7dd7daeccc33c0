package dev.aril.engine.text;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * Python's view of the values of a template: {@link #NONE}, {@link Undefined}, Boolean, Long,
 * Double, String, List, {@link Tuple}, Map, {@link View}, {@link Generator}, {@link Namespace} and
 * {@link TemplateCallable}. A text's elements are its code points.
 */
final class PythonValue {
    /** Python's None. */
    static final Object NONE = new Object();

    private PythonValue() {}

    record Tuple(List<Object> items) {}

    /** What a map's items(), keys(), values() and range() give: it has a length but no elements. */
    record View(String kind, List<Object> items) {}

    /** What is looped over once. */
    static final class Generator implements Iterable<Object> {
        private final Iterator<Object> rest;

        Generator(Iterator<Object> rest) {
            this.rest = rest;
        }

        @Override
        public Iterator<Object> iterator() {
            return rest;
        }
    }

    /** The one kind of value that a template can change. */
    record Namespace(Map<Object, Object> fields) {
        @Override
        public boolean equals(Object other) {
            return this == other;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(this);
        }
    }

    static boolean truth(Object value) {
        return switch (value) {
            case Undefined missing -> false;
            case Boolean b -> b;
            case Long n -> n != 0;
            case Double d -> d != 0;
            case String text -> !text.isEmpty();
            case List<?> list -> !list.isEmpty();
            case Tuple tuple -> !tuple.items.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            case View view -> !view.items.isEmpty();
            default -> value != NONE;
        };
    }

    /** Python's {@code len}. */
    static long length(Object value) {
        return switch (value) {
            case Undefined missing -> 0;
            case String text -> text.codePointCount(0, text.length());
            case List<?> list -> list.size();
            case Tuple tuple -> tuple.items.size();
            case Map<?, ?> map -> map.size();
            case View view -> view.items.size();
            default -> throw new TemplateFault(kind(value) + " has no length");
        };
    }

    /** What a loop over it goes through. */
    static Iterable<Object> items(Object value) {
        return switch (value) {
            case Undefined missing -> List.of();
            case String text -> characters(text);
            case List<?> list -> new ArrayList<Object>(list);
            case Tuple tuple -> tuple.items;
            case Map<?, ?> map -> new ArrayList<Object>(map.keySet());
            case View view -> view.items;
            case Generator generator -> generator;
            default -> throw new TemplateFault(kind(value) + " cannot be looped over");
        };
    }

    /** The same, all of them, no more than may be. */
    static List<Object> list(Object value) {
        List<Object> all = new ArrayList<>();
        for (Object item : items(value)) {
            all.add(item);
            TemplateLimits.items(all.size());
        }
        return all;
    }

    private static List<Object> characters(String text) {
        TemplateLimits.items(text.codePointCount(0, text.length()));
        return text.codePoints().<Object>mapToObj(Character::toString).toList();
    }

    /** Python's {@code ==}. */
    static boolean equal(Object a, Object b) {
        return equal(a, b, 0);
    }

    private static boolean equal(Object a, Object b, int depth) {
        TemplateLimits.depth(depth);
        if (isNumber(a) && isNumber(b)) {
            return Numbers.compare(a, b) == 0;
        }
        return switch (a) {
            case Undefined missing -> b instanceof Undefined;
            case List<?> list -> b instanceof List<?> other && equalItems(list, other, depth);
            case Tuple tuple ->
                    b instanceof Tuple other && equalItems(tuple.items, other.items, depth);
            case Map<?, ?> map -> b instanceof Map<?, ?> other && equalEntries(map, other, depth);
            default -> Objects.equals(a, b);
        };
    }

    private static boolean equalItems(List<?> a, List<?> b, int depth) {
        if (a.size() != b.size()) {
            return false;
        }
        for (int i = 0; i < a.size(); i++) {
            if (!equal(a.get(i), b.get(i), depth + 1)) {
                return false;
            }
        }
        return true;
    }

    private static boolean equalEntries(Map<?, ?> a, Map<?, ?> b, int depth) {
        for (Map.Entry<?, ?> entry : a.entrySet()) {
            Object other = b.get(entry.getKey());
            if (other == null || !equal(entry.getValue(), other, depth + 1)) {
                return false;
            }
        }
        return a.size() == b.size();
    }

    /** Python's order of two values; an error where it has none. */
    static int compare(Object a, Object b) {
        if (isNumber(a) && isNumber(b)) {
            return Numbers.compare(a, b);
        }
        if (a instanceof String s && b instanceof String t) {
            return compareText(s, t);
        }
        if (a instanceof List<?> s && b instanceof List<?> t) {
            return compareItems(s, t);
        }
        if (a instanceof Tuple s && b instanceof Tuple t) {
            return compareItems(s.items, t.items);
        }
        throw new TemplateFault(kind(a) + " and " + kind(b) + " have no order");
    }

    /** By code points, not by halves of them. */
    private static int compareText(String a, String b) {
        int[] left = a.codePoints().toArray();
        int[] right = b.codePoints().toArray();
        return java.util.Arrays.compare(left, right);
    }

    private static int compareItems(List<?> a, List<?> b) {
        for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
            if (!equal(a.get(i), b.get(i))) {
                return compare(a.get(i), b.get(i));
            }
        }
        return Integer.compare(a.size(), b.size());
    }

    /** Python's {@code in}. */
    static boolean contains(Object container, Object item) {
        switch (container) {
            case String text -> {
                if (!(item instanceof String part)) {
                    throw new TemplateFault("a text holds texts, not " + kind(item));
                }
                return text.contains(part);
            }
            case Map<?, ?> map -> {
                return map.containsKey(hashable(item));
            }
            default -> {
                for (Object one : items(container)) {
                    if (equal(one, item)) {
                        return true;
                    }
                }
                return false;
            }
        }
    }

    /** What can be a key, in Python: nothing that lists or maps are. */
    static Object hashable(Object value) {
        if (value instanceof List || value instanceof Map) {
            throw new TemplateFault("a " + kind(value) + " cannot be a key");
        }
        return value;
    }

    static boolean isNumber(Object value) {
        return value instanceof Long || value instanceof Double || value instanceof Boolean;
    }

    /** Python's {@code str}. */
    static String text(Object value) {
        return switch (value) {
            case String text -> text;
            case Undefined missing -> "";
            default -> repr(value, 0);
        };
    }

    /** Python's {@code repr}. */
    static String repr(Object value) {
        return repr(value, 0);
    }

    private static String repr(Object value, int depth) {
        TemplateLimits.depth(depth);
        Function<Object, String> inner = item -> repr(item, depth + 1);
        return switch (value) {
            case Boolean b -> b ? "True" : "False";
            case Long n -> n.toString();
            case Double d -> number(d);
            case String text -> PythonText.quote(text);
            case Undefined missing -> "Undefined";
            case List<?> list -> join("[", list, inner, "]");
            case Tuple tuple -> join("(", tuple.items, inner, tuple.items.size() == 1 ? ",)" : ")");
            case Map<?, ?> map ->
                    join(
                            "{",
                            List.copyOf(map.entrySet()),
                            entry -> {
                                Map.Entry<?, ?> pair = (Map.Entry<?, ?>) entry;
                                return inner.apply(pair.getKey())
                                        + ": "
                                        + inner.apply(pair.getValue());
                            },
                            "}");
            case View view when view.kind.startsWith("dict_") ->
                    join(view.kind + "([", view.items, inner, "])");
            default -> {
                if (value == NONE) {
                    yield "None";
                }
                throw new TemplateFault("printing " + kind(value) + " is not supported");
            }
        };
    }

    private static String join(
            String before, List<?> items, Function<Object, String> each, String after) {
        StringBuilder out = new StringBuilder(before);
        for (int i = 0; i < items.size(); i++) {
            out.append(i == 0 ? "" : ", ").append(each.apply(items.get(i)));
            TemplateLimits.text(out.length());
        }
        return out.append(after).toString();
    }

    /** The shortest digits that read back as the same, as Python writes them. */
    static String number(double d) {
        if (Double.isNaN(d)) {
            return "nan";
        }
        if (Double.isInfinite(d)) {
            return d > 0 ? "inf" : "-inf";
        }
        if (d == 0) {
            return 1 / d < 0 ? "-0.0" : "0.0";
        }
        BigDecimal exact = new BigDecimal(Double.toString(d)).stripTrailingZeros();
        String digits = exact.unscaledValue().abs().toString();
        int exponent = digits.length() - exact.scale() - 1;
        String sign = d < 0 ? "-" : "";
        if (exponent >= -4 && exponent < 16) {
            String plain = exact.abs().toPlainString();
            return sign + (plain.contains(".") ? plain : plain + ".0");
        }
        String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
        return "%s%c%se%s%02d"
                .formatted(
                        sign,
                        digits.charAt(0),
                        fraction,
                        exponent < 0 ? "-" : "+",
                        Math.abs(exponent));
    }

    /** What a value is, in Jinja's words. */
    static String kind(Object value) {
        return switch (value) {
            case Undefined missing -> missing.complaint() + ": it";
            case Boolean b -> "bool object";
            case Long n -> "int object";
            case Double d -> "float object";
            case String text -> "str object";
            case List<?> list -> "list object";
            case Tuple tuple -> "tuple object";
            case Map<?, ?> map -> "dict object";
            case View view -> view.kind + " object";
            case Generator generator -> "generator object";
            case Namespace namespace -> "namespace object";
            case TemplateCallable callable -> "function object";
            default -> value == NONE ? "None" : "object";
        };
    }
}
