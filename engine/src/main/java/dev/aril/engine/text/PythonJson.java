package dev.aril.engine.text;

import dev.aril.engine.text.PythonValue.Tuple;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * JSON as Python's {@code json.dumps} writes it.
 *
 * @param indent of each level; null for all on one line
 */
record PythonJson(
        boolean asciiOnly,
        @Nullable String indent,
        String itemSeparator,
        String keySeparator,
        boolean sorted) {
    /** The {@code tojson} filter of transformers. */
    static String filter(Object value, Given given) {
        @Nullable Object[] a =
                given.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys");
        String indent =
                switch (a[1]) {
                    case String text -> text;
                    case Long width -> " ".repeat(Math.clamp(width, 0, 64));
                    case null -> null;
                    case Object other when other == PythonValue.NONE -> null;
                    case Object other ->
                            throw new TemplateFault("tojson: indent is " + PythonValue.kind(other));
                };
        String items = indent == null ? ", " : ",";
        String keys = ": ";
        if (a[2] != null && a[2] != PythonValue.NONE) {
            List<Object> separators = PythonValue.list(a[2]);
            if (separators.size() != 2) {
                throw new TemplateFault("tojson: separators are two");
            }
            items = PythonValue.text(separators.get(0));
            keys = PythonValue.text(separators.get(1));
        }
        PythonJson json =
                new PythonJson(
                        a[0] != null && PythonValue.truth(a[0]),
                        indent,
                        items,
                        keys,
                        a[3] != null && PythonValue.truth(a[3]));
        StringBuilder out = new StringBuilder();
        json.write(value, out, 0);
        return out.toString();
    }

    private void write(Object value, StringBuilder out, int depth) {
        TemplateLimits.depth(depth);
        TemplateLimits.text(out.length());
        switch (value) {
            case Boolean b -> out.append(b);
            case Long n -> out.append(n);
            case Double d -> out.append(number(d));
            case String text -> string(text, out);
            case List<?> list -> list(list, out, depth);
            case Tuple tuple -> list(tuple.items(), out, depth);
            case Map<?, ?> map -> map(map, out, depth);
            default -> {
                if (value != PythonValue.NONE) {
                    throw new TemplateFault(PythonValue.kind(value) + " has no form in JSON");
                }
                out.append("null");
            }
        }
    }

    private static String number(double d) {
        if (Double.isNaN(d)) {
            return "NaN";
        }
        return Double.isInfinite(d) ? d > 0 ? "Infinity" : "-Infinity" : PythonValue.number(d);
    }

    private void list(List<?> list, StringBuilder out, int depth) {
        out.append('[');
        for (int i = 0; i < list.size(); i++) {
            out.append(i == 0 ? "" : itemSeparator);
            newLine(out, depth + 1);
            write(list.get(i), out, depth + 1);
        }
        if (!list.isEmpty()) {
            newLine(out, depth);
        }
        out.append(']');
    }

    private void map(Map<?, ?> map, StringBuilder out, int depth) {
        List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
        if (sorted) {
            entries.sort((a, b) -> PythonValue.compare(a.getKey(), b.getKey()));
        }
        out.append('{');
        for (int i = 0; i < entries.size(); i++) {
            out.append(i == 0 ? "" : itemSeparator);
            newLine(out, depth + 1);
            string(PythonValue.text(entries.get(i).getKey()), out);
            out.append(keySeparator);
            write(entries.get(i).getValue(), out, depth + 1);
        }
        if (!entries.isEmpty()) {
            newLine(out, depth);
        }
        out.append('}');
    }

    private void newLine(StringBuilder out, int depth) {
        if (indent != null) {
            out.append('\n').append(indent.repeat(depth));
        }
    }

    private void string(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\b' -> out.append("\\b");
                case '\f' -> out.append("\\f");
                default -> {
                    if (c < ' ' || (asciiOnly && c > '~')) {
                        out.append("\\u%04x".formatted((int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
