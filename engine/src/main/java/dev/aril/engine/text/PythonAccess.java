package dev.aril.engine.text;

import dev.aril.engine.text.PythonValue.Namespace;
import dev.aril.engine.text.PythonValue.Tuple;
import dev.aril.engine.text.PythonValue.View;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * {@code a.b}, {@code a[b]} and {@code a[b:c:d]}, as Jinja's sandbox answers them: a method goes
 * before a key where a point is written, a key before a method in brackets, and nothing but {@link
 * PythonMethods} can be reached.
 */
final class PythonAccess {
    /** Python's attributes of numbers: an error, not a key that is not there. */
    private static final Set<String> OF_NUMBERS =
            Set.of(
                    "as_integer_ratio",
                    "bit_count",
                    "bit_length",
                    "conjugate",
                    "denominator",
                    "from_bytes",
                    "fromhex",
                    "hex",
                    "imag",
                    "is_integer",
                    "numerator",
                    "real",
                    "to_bytes");

    private PythonAccess() {}

    static Object attribute(Object of, String name) {
        TemplateCallable method = method(of, name);
        if (method != null) {
            return method;
        }
        if (of instanceof Map<?, ?> map && map.get(name) instanceof Object value) {
            return value;
        }
        return field(of, name);
    }

    static Object item(Object of, Object index) {
        Object found =
                switch (of) {
                    case Map<?, ?> map -> map.get(index);
                    case List<?> list -> at(list, index);
                    case Tuple tuple -> at(tuple.items(), index);
                    case String text -> character(text, index);
                    case View view when view.kind().equals("range") -> at(view.items(), index);
                    default -> null;
                };
        if (found != null) {
            return found;
        }
        if (index instanceof String name) {
            TemplateCallable method = method(of, name);
            return method != null ? method : field(of, name);
        }
        if (of instanceof Undefined missing) {
            throw missing.fault();
        }
        return new Undefined(PythonValue.kind(of) + " has no element " + PythonValue.text(index));
    }

    /** Fields that are no methods; {@link Undefined} for one that is not there. */
    private static Object field(Object of, String name) {
        Object found =
                switch (of) {
                    case Undefined missing -> throw missing.fault();
                    case Namespace namespace -> namespace.fields().get(name);
                    case LoopState loop -> loop.field(name);
                    default -> null;
                };
        if (found != null) {
            return found;
        }
        if (name.startsWith("_")
                || (PythonValue.isNumber(of) && OF_NUMBERS.contains(name))
                || of instanceof TemplateCallable) {
            throw new TemplateFault(
                    "the attribute " + name + " of " + PythonValue.kind(of) + " is not supported");
        }
        return new Undefined("'" + PythonValue.kind(of) + "' has no attribute '" + name + "'");
    }

    private static @Nullable TemplateCallable method(Object of, String name) {
        if (of instanceof LoopState loop) {
            return loop.method(name);
        }
        return PythonMethods.has(of, name)
                ? (given, scope) -> PythonMethods.call(of, name, given)
                : null;
    }

    private static @Nullable Object at(List<?> list, Object index) {
        if (!(index instanceof Long || index instanceof Boolean)) {
            return null;
        }
        long asked = Numbers.whole(index);
        long from = asked < 0 ? asked + list.size() : asked;
        return from >= 0 && from < list.size() ? list.get((int) from) : null;
    }

    private static @Nullable Object character(String text, Object index) {
        if (!(index instanceof Long asked)) {
            return null;
        }
        int length = text.codePointCount(0, text.length());
        long from = asked < 0 ? asked + length : asked;
        if (from < 0 || from >= length) {
            return null;
        }
        int at = text.offsetByCodePoints(0, (int) from);
        return Character.toString(text.codePointAt(at));
    }

    /**
     * @param from null where it is left out, as are the others
     */
    static Object slice(
            Object of, @Nullable Object from, @Nullable Object to, @Nullable Object step) {
        return switch (of) {
            case String text -> {
                int[] characters = text.codePoints().toArray();
                StringBuilder out = new StringBuilder();
                for (int i : indices(characters.length, from, to, step)) {
                    out.appendCodePoint(characters[i]);
                }
                yield out.toString();
            }
            case List<?> list -> picked(list, indices(list.size(), from, to, step));
            case Tuple tuple ->
                    new Tuple(picked(tuple.items(), indices(tuple.items().size(), from, to, step)));
            case Undefined missing -> throw missing.fault();
            default ->
                    throw new TemplateFault(
                            "a slice of " + PythonValue.kind(of) + " is not supported");
        };
    }

    private static List<Object> picked(List<?> list, int[] indices) {
        List<Object> out = new ArrayList<>(indices.length);
        for (int i : indices) {
            out.add(list.get(i));
        }
        return out;
    }

    /** Python's {@code slice.indices}. */
    private static int[] indices(
            int length, @Nullable Object from, @Nullable Object to, @Nullable Object step) {
        Long askedStep = bound(step);
        long by = askedStep == null ? 1 : askedStep;
        if (by == 0) {
            throw new TemplateFault("a slice's step is zero");
        }
        long least = by > 0 ? 0 : -1;
        long most = by > 0 ? length : length - 1L;
        Long askedFrom = bound(from);
        Long askedTo = bound(to);
        long first =
                askedFrom == null ? by > 0 ? least : most : bound(askedFrom, length, least, most);
        long end = askedTo == null ? by > 0 ? most : least : bound(askedTo, length, least, most);
        List<Integer> all = new ArrayList<>();
        for (long i = first; by > 0 ? i < end : i > end; i = Math.clamp(i + by, -2L, length + 1L)) {
            all.add((int) i);
        }
        return all.stream().mapToInt(i -> i).toArray();
    }

    private static @Nullable Long bound(@Nullable Object bound) {
        return bound == null || bound == PythonValue.NONE ? null : Numbers.whole(bound);
    }

    private static long bound(long asked, int length, long least, long most) {
        return Math.clamp(
                asked < 0 ? Math.max(asked, -2L * length - 2) + length : asked, least, most);
    }
}
