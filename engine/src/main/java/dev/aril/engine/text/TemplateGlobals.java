package dev.aril.engine.text;

import dev.aril.engine.text.PythonValue.Namespace;
import dev.aril.engine.text.PythonValue.View;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** The functions that any template may call: some of Jinja's, and transformers' two. */
final class TemplateGlobals {
    private TemplateGlobals() {}

    static Map<String, Object> functions(Clock clock) {
        return Map.of(
                "range", callable((given, scope) -> range(given)),
                "namespace", callable((given, scope) -> new Namespace(fields(given))),
                "dict", callable((given, scope) -> fields(given)),
                "raise_exception",
                        callable((given, scope) -> {
                            Object message = given.bind("raise_exception", "message")[0];
                            throw new TemplateRefusal(
                                    message == null ? "" : PythonValue.text(message));
                        }),
                "strftime_now",
                        callable((given, scope) -> {
                            Object format = given.bind("strftime_now", "format")[0];
                            return date(format == null ? "" : PythonValue.text(format), clock);
                        }));
    }

    private static TemplateCallable callable(TemplateCallable callable) {
        return callable;
    }

    /** A new map of one that is given, if any, and the named arguments. */
    private static Map<Object, Object> fields(Given given) {
        if (given.positional().size() > 1) {
            throw new TemplateFault("at most one map can be given");
        }
        Map<Object, Object> fields = new LinkedHashMap<>();
        for (Object map : given.positional()) {
            if (!(map instanceof Map<?, ?> other)) {
                throw new TemplateFault("a map of " + PythonValue.kind(map) + " is not supported");
            }
            fields.putAll(other);
        }
        fields.putAll(given.named());
        return fields;
    }

    private static View range(Given given) {
        @Nullable Object[] a = given.bind("range", "start", "stop", "step");
        if (a[0] == null) {
            throw new TemplateFault("range lacks its end");
        }
        long from = a[1] == null ? 0 : Numbers.whole(a[0]);
        long to = Numbers.whole(a[1] == null ? a[0] : a[1]);
        long step = a[2] == null ? 1 : Numbers.whole(a[2]);
        if (step == 0) {
            throw new TemplateFault("range: the step is zero");
        }
        if (LongStream.of(from, to, step).anyMatch(v -> Math.abs(v) > 1L << 53)) {
            throw new TemplateFault("range: a number beyond 2^53 is not supported");
        }
        long count =
                Math.max(
                        0,
                        step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step);
        TemplateLimits.items(count);
        List<Object> items =
                new ArrayList<>(
                        LongStream.range(0, count)
                                .mapToObj(i -> (Object) (from + i * step))
                                .toList());
        return new View("range", items);
    }

    /** C's codes, in English. */
    private static String date(String format, Clock clock) {
        LocalDateTime now = LocalDateTime.now(clock);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%' || i + 1 == format.length()) {
                out.append(c);
                continue;
            }
            char code = format.charAt(++i);
            String pattern =
                    switch (code) {
                        case '%' -> "'%'";
                        case 'a' -> "EEE";
                        case 'A' -> "EEEE";
                        case 'b', 'h' -> "MMM";
                        case 'B' -> "MMMM";
                        case 'd' -> "dd";
                        case 'D' -> "MM/dd/yy";
                        case 'F' -> "yyyy-MM-dd";
                        case 'H' -> "HH";
                        case 'I' -> "hh";
                        case 'j' -> "DDD";
                        case 'm' -> "MM";
                        case 'M' -> "mm";
                        case 'p' -> "a";
                        case 'S' -> "ss";
                        case 'T' -> "HH:mm:ss";
                        case 'y' -> "yy";
                        case 'Y' -> "yyyy";
                        default ->
                                throw new TemplateFault(
                                        "strftime_now: %" + code + " is not supported");
                    };
            out.append(DateTimeFormatter.ofPattern(pattern, Locale.US).format(now));
        }
        return out.toString();
    }
}
