package dev.aril.engine.text;

import dev.aril.engine.text.PythonValue.Tuple;
import dev.aril.engine.text.PythonValue.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The methods of Python's texts, lists and maps that a template may call: those that change none.
 */
final class PythonMethods {
    private static final Set<String> OF_TEXT =
            Set.of(
                    "capitalize",
                    "count",
                    "endswith",
                    "find",
                    "isalnum",
                    "isalpha",
                    "isdigit",
                    "islower",
                    "isspace",
                    "isupper",
                    "join",
                    "lower",
                    "lstrip",
                    "partition",
                    "removeprefix",
                    "removesuffix",
                    "replace",
                    "rfind",
                    "rpartition",
                    "rsplit",
                    "rstrip",
                    "split",
                    "splitlines",
                    "startswith",
                    "strip",
                    "title",
                    "upper");

    private static final Set<String> OF_LIST = Set.of("count", "index", "copy");
    private static final Set<String> OF_TUPLE = Set.of("count", "index");
    private static final Set<String> OF_MAP = Set.of("copy", "get", "items", "keys", "values");

    /** Python's others: an error, not a key that is not there. */
    private static final Set<String> OTHERS_OF_TEXT =
            Set.of(
                    "casefold",
                    "center",
                    "encode",
                    "expandtabs",
                    "format",
                    "format_map",
                    "index",
                    "isascii",
                    "isdecimal",
                    "isidentifier",
                    "isnumeric",
                    "isprintable",
                    "istitle",
                    "ljust",
                    "maketrans",
                    "rindex",
                    "rjust",
                    "swapcase",
                    "translate",
                    "zfill");

    private static final Set<String> OTHERS_OF_LIST =
            Set.of("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort");
    private static final Set<String> OTHERS_OF_MAP =
            Set.of("clear", "fromkeys", "pop", "popitem", "setdefault", "update");

    private PythonMethods() {}

    static boolean has(Object receiver, String name) {
        return switch (receiver) {
            case String text -> OF_TEXT.contains(name) || OTHERS_OF_TEXT.contains(name);
            case List<?> list -> OF_LIST.contains(name) || OTHERS_OF_LIST.contains(name);
            case Tuple tuple -> OF_TUPLE.contains(name);
            case Map<?, ?> map -> OF_MAP.contains(name) || OTHERS_OF_MAP.contains(name);
            default -> false;
        };
    }

    static Object call(Object receiver, String name, Given given) {
        return switch (receiver) {
            case String text when OF_TEXT.contains(name) -> text(text, name, given);
            case List<?> list when OF_LIST.contains(name) -> list(list, name, given);
            case Tuple tuple -> list(tuple.items(), name, given);
            case Map<?, ?> map when OF_MAP.contains(name) -> map(map, name, given);
            default ->
                    throw new TemplateFault(
                            "the method "
                                    + name
                                    + " of "
                                    + PythonValue.kind(receiver)
                                    + " is not supported");
        };
    }

    private static Object text(String text, String name, Given given) {
        return switch (name) {
            case "strip", "lstrip", "rstrip" -> {
                @Nullable String characters = optional(given.bind(name, "chars")[0], name);
                yield PythonText.strip(
                        text, characters, !name.equals("rstrip"), !name.equals("lstrip"));
            }
            case "upper", "lower", "capitalize", "title" -> {
                given.bind(name);
                yield switch (name) {
                    case "upper" -> text.toUpperCase(Locale.ROOT);
                    case "lower" -> text.toLowerCase(Locale.ROOT);
                    case "capitalize" -> PythonText.capitalize(text);
                    default -> PythonText.title(text);
                };
            }
            case "startswith", "endswith" -> {
                @Nullable Object[] a = given.bind(name, "affix", "start", "end");
                yield affix(within(text, a[1], a[2]), name, a[0]);
            }
            case "replace" -> {
                @Nullable Object[] a = given.bind(name, "old", "new", "count");
                long count = a[2] == null ? -1 : Numbers.whole(a[2]);
                yield PythonText.replace(text, needed(a[0], name), needed(a[1], name), count);
            }
            case "split", "rsplit" -> {
                @Nullable Object[] a = given.bind(name, "sep", "maxsplit");
                long most = a[1] == null ? -1 : Numbers.whole(a[1]);
                List<String> parts =
                        PythonText.split(text, optional(a[0], name), most, name.equals("rsplit"));
                yield new ArrayList<Object>(parts);
            }
            case "splitlines" -> {
                @Nullable Object[] a = given.bind(name, "keepends");
                List<String> lines =
                        PythonText.lines(text, a[0] != null && PythonValue.truth(a[0]));
                yield new ArrayList<Object>(lines);
            }
            case "partition", "rpartition" ->
                    partition(
                            text,
                            needed(given.bind(name, "sep")[0], name),
                            name.equals("rpartition"));
            case "removeprefix" -> {
                String prefix = needed(given.bind(name, "prefix")[0], name);
                yield text.startsWith(prefix) ? text.substring(prefix.length()) : text;
            }
            case "removesuffix" -> {
                String suffix = needed(given.bind(name, "suffix")[0], name);
                yield text.endsWith(suffix)
                        ? text.substring(0, text.length() - suffix.length())
                        : text;
            }
            case "find", "rfind" -> {
                String part = needed(given.bind(name, "sub")[0], name);
                int at = name.equals("find") ? text.indexOf(part) : text.lastIndexOf(part);
                yield at < 0 ? -1L : (long) text.codePointCount(0, at);
            }
            case "count" -> PythonText.count(text, needed(given.bind(name, "sub")[0], name));
            case "join" -> {
                List<String> parts = new ArrayList<>();
                for (Object part :
                        PythonValue.items(present(given.bind(name, "iterable")[0], name))) {
                    parts.add(needed(part, name));
                }
                yield PythonText.join(text, parts);
            }
            default -> {
                given.bind(name);
                yield PythonText.is(text, name);
            }
        };
    }

    /** One of several where a tuple is given. */
    private static boolean affix(String text, String name, @Nullable Object affix) {
        if (affix instanceof Tuple several) {
            return several.items().stream().anyMatch(one -> affix(text, name, one));
        }
        String one = needed(affix, name);
        return name.equals("startswith") ? text.startsWith(one) : text.endsWith(one);
    }

    private static String within(String text, @Nullable Object from, @Nullable Object to) {
        return from == null && to == null
                ? text
                : (String) PythonAccess.slice(text, from, to, null);
    }

    private static Tuple partition(String text, String separator, boolean last) {
        if (separator.isEmpty()) {
            throw new TemplateFault("partition: the separator is empty");
        }
        int at = last ? text.lastIndexOf(separator) : text.indexOf(separator);
        if (at < 0) {
            return new Tuple(last ? List.of("", "", text) : List.of(text, "", ""));
        }
        return new Tuple(
                List.of(text.substring(0, at), separator, text.substring(at + separator.length())));
    }

    private static Object list(List<?> list, String name, Given given) {
        if (name.equals("copy")) {
            given.bind(name);
            return new ArrayList<Object>(list);
        }
        Object sought = present(given.bind(name, "value")[0], name);
        long count = 0;
        for (int i = 0; i < list.size(); i++) {
            if (PythonValue.equal(list.get(i), sought)) {
                if (name.equals("index")) {
                    return (long) i;
                }
                count++;
            }
        }
        if (name.equals("index")) {
            throw new TemplateFault(PythonValue.text(sought) + " is not in the list");
        }
        return count;
    }

    private static Object map(Map<?, ?> map, String name, Given given) {
        if (name.equals("get")) {
            @Nullable Object[] a = given.bind(name, "key", "default");
            Object found = map.get(PythonValue.hashable(present(a[0], name)));
            Object otherwise = a[1] == null ? PythonValue.NONE : a[1];
            return found != null ? found : otherwise;
        }
        given.bind(name);
        return switch (name) {
            case "items" -> items(map);
            case "keys" -> new View("dict_keys", new ArrayList<>(map.keySet()));
            case "values" -> new View("dict_values", new ArrayList<>(map.values()));
            default -> new LinkedHashMap<Object, Object>(map);
        };
    }

    static View items(Map<?, ?> map) {
        List<Object> items = new ArrayList<>();
        map.forEach((key, value) -> items.add(new Tuple(Arrays.asList(key, value))));
        return new View("dict_items", items);
    }

    private static @Nullable String optional(@Nullable Object argument, String method) {
        return argument == null || argument == PythonValue.NONE ? null : needed(argument, method);
    }

    private static String needed(@Nullable Object argument, String method) {
        Object value = present(argument, method);
        if (value instanceof Undefined missing) {
            throw missing.fault();
        }
        if (!(value instanceof String text)) {
            throw new TemplateFault(method + " takes texts, not " + PythonValue.kind(value));
        }
        return text;
    }

    private static Object present(@Nullable Object argument, String method) {
        if (argument == null) {
            throw new TemplateFault(method + " lacks an argument");
        }
        return argument;
    }
}
