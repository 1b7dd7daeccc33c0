package dev.aril.engine.text;

import dev.aril.engine.text.PythonValue.Tuple;
import java.util.ArrayList;
import java.util.List;

/** What {@code + - * / // % **} do with two values of a template. */
final class Operators {
    private Operators() {}

    static Object apply(String operator, Object a, Object b) {
        if (PythonValue.isNumber(a) && PythonValue.isNumber(b)) {
            return Numbers.apply(operator, a, b);
        }
        for (Object side : List.of(a, b)) {
            if (side instanceof Undefined missing) {
                throw missing.fault();
            }
        }
        if (operator.equals("+")) {
            if (a instanceof String s && b instanceof String t) {
                TemplateLimits.text((long) s.length() + t.length());
                return s + t;
            }
            if (a instanceof List<?> s && b instanceof List<?> t) {
                return joined(s, t);
            }
            if (a instanceof Tuple s && b instanceof Tuple t) {
                return new Tuple(joined(s.items(), t.items()));
            }
        }
        if (operator.equals("*") && b instanceof Long times && !(a instanceof Long)) {
            return repeated(a, times);
        }
        if (operator.equals("*") && a instanceof Long times) {
            return repeated(b, times);
        }
        if (operator.equals("%") && a instanceof String) {
            throw new TemplateFault("formatting a text by % is not supported");
        }
        throw new TemplateFault(
                PythonValue.kind(a) + " " + operator + " " + PythonValue.kind(b) + " has no value");
    }

    private static List<Object> joined(List<?> a, List<?> b) {
        TemplateLimits.items((long) a.size() + b.size());
        List<Object> both = new ArrayList<>(a);
        both.addAll(b);
        return both;
    }

    private static Object repeated(Object value, long times) {
        int count = Math.toIntExact(Math.clamp(times, 0, Integer.MAX_VALUE));
        return switch (value) {
            case String text -> {
                TemplateLimits.text((long) text.length() * count);
                yield text.repeat(count);
            }
            case List<?> list -> repeatedItems(list, count);
            case Tuple tuple -> new Tuple(repeatedItems(tuple.items(), count));
            default -> throw new TemplateFault(PythonValue.kind(value) + " cannot be repeated");
        };
    }

    private static List<Object> repeatedItems(List<?> items, int count) {
        TemplateLimits.items((long) items.size() * count);
        List<Object> all = new ArrayList<>();
        for (int i = 0; i < count && !items.isEmpty(); i++) {
            all.addAll(items);
        }
        return all;
    }
}
