package dev.aril.engine.text;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.util.ForLoop;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELResolver;
import jinjava.javax.el.MethodNotFoundException;
import jinjava.javax.el.PropertyNotFoundException;
import org.jspecify.annotations.Nullable;

/**
 * What a chat template may ask of a value: entries of maps, elements of lists and strings, the
 * {@code loop} variable, Python's harmless string and map methods. It replaces the library's
 * resolver by reflection, so nothing else of the Java world can be reached.
 */
final class TemplateValues extends ELResolver {
    @Override
    public @Nullable Object getValue(ELContext context, @Nullable Object base, Object property) {
        String name = String.valueOf(property);
        Object value =
                switch (base) {
                    case Map<?, ?> map -> map.get(name);
                    case List<?> list -> element(list, list.size(), name);
                    case String text -> {
                        Integer at = index(name, text.length());
                        yield at == null ? null : text.substring(at, at + 1);
                    }
                    case ForLoop loop -> loop(loop, name);
                    case null, default ->
                            throw new PropertyNotFoundException("no property " + name);
                };
        context.setPropertyResolved(true);
        return value;
    }

    private static @Nullable Object element(List<?> list, int size, String name) {
        Integer at = index(name, size);
        return at == null ? null : list.get(at);
    }

    /** Python's index, negative ones from the end; null if there is none such. */
    private static @Nullable Integer index(String name, int size) {
        if (!name.matches("-?[0-9]{1,9}")) {
            throw new PropertyNotFoundException("no property " + name);
        }
        int at = Integer.parseInt(name);
        int from = at < 0 ? at + size : at;
        return from >= 0 && from < size ? from : null;
    }

    private static Object loop(ForLoop loop, String name) {
        return switch (name) {
            case "index" -> (long) loop.getIndex();
            case "index0" -> (long) loop.getIndex0();
            case "revindex" -> (long) loop.getRevindex();
            case "revindex0" -> (long) loop.getRevindex0();
            case "length" -> (long) loop.getLength();
            case "first" -> loop.isFirst();
            case "last" -> loop.isLast();
            default -> throw new PropertyNotFoundException("no property loop." + name);
        };
    }

    @Override
    public @Nullable Object invoke(
            ELContext context,
            @Nullable Object base,
            Object method,
            Class<?>[] types,
            @Nullable Object[] arguments) {
        String name = String.valueOf(method);
        Object value =
                switch (base) {
                    case Filter filter when name.equals("filter") -> filter(filter, arguments);
                    case ExpTest test -> test(test, name, arguments);
                    case String text -> string(text, name, arguments);
                    case Map<?, ?> map -> map(map, name, arguments);
                    case null, default -> throw missing(name, base);
                };
        context.setPropertyResolved(true);
        return value;
    }

    /** The library hands over the value, the interpreter, arguments and named arguments. */
    @SuppressWarnings("unchecked")
    private static @Nullable Object filter(Filter filter, @Nullable Object[] arguments) {
        return filter.filter(
                arguments[0],
                (JinjavaInterpreter) arguments[1],
                (Object[]) arguments[2],
                (Map<String, Object>) arguments[3]);
    }

    private static boolean test(ExpTest test, String name, @Nullable Object[] arguments) {
        JinjavaInterpreter interpreter = (JinjavaInterpreter) arguments[1];
        Object[] rest = Arrays.copyOfRange(arguments, 2, arguments.length);
        return switch (name) {
            case "evaluate" -> test.evaluate(arguments[0], interpreter, rest);
            case "evaluateNegated" -> test.evaluateNegated(arguments[0], interpreter, rest);
            default -> throw missing(name, test);
        };
    }

    private static Object string(String text, String name, @Nullable Object[] arguments) {
        String first = argument(arguments, 0);
        String second = argument(arguments, 1);
        return switch (name) {
            case "strip" -> PythonText.strip(text, first, true, true);
            case "lstrip" -> PythonText.strip(text, first, true, false);
            case "rstrip" -> PythonText.strip(text, first, false, true);
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "startswith" -> text.startsWith(needed(name, first));
            case "endswith" -> text.endsWith(needed(name, first));
            case "replace" -> text.replace(needed(name, first), needed(name, second));
            case "split" -> PythonText.split(text, first);
            default -> throw missing(name, text);
        };
    }

    private static String needed(String method, @Nullable String argument) {
        if (argument == null) {
            throw new IllegalArgumentException(method + " lacks an argument");
        }
        return argument;
    }

    private static @Nullable Object map(Map<?, ?> map, String name, @Nullable Object[] arguments) {
        return switch (name) {
            case "items" -> {
                List<Object> items = new ArrayList<>();
                map.forEach((key, value) -> items.add(Arrays.asList(key, value)));
                yield items;
            }
            case "keys" -> new ArrayList<Object>(map.keySet());
            case "values" -> new ArrayList<Object>(map.values());
            case "get" -> {
                String key = argument(arguments, 0);
                Object otherwise = arguments.length > 1 ? arguments[1] : null;
                yield map.containsKey(key) ? map.get(key) : otherwise;
            }
            default -> throw missing(name, map);
        };
    }

    private static @Nullable String argument(@Nullable Object[] arguments, int at) {
        return arguments.length > at && arguments[at] != null
                ? String.valueOf(arguments[at])
                : null;
    }

    private static MethodNotFoundException missing(String name, @Nullable Object base) {
        String of =
                switch (base) {
                    case null -> "nothing";
                    case String text -> "a string";
                    case Map<?, ?> map -> "a map";
                    case List<?> list -> "a list";
                    default -> "this value";
                };
        return new MethodNotFoundException(of + " has no method " + name + " here");
    }

    @Override
    public Class<?> getType(ELContext context, @Nullable Object base, Object property) {
        return Object.class;
    }

    @Override
    public void setValue(
            ELContext context, @Nullable Object base, Object property, @Nullable Object value) {
        throw new PropertyNotFoundException("values cannot be changed");
    }

    @Override
    public boolean isReadOnly(ELContext context, @Nullable Object base, Object property) {
        return true;
    }

    @Override
    public @Nullable Iterator<java.beans.FeatureDescriptor> getFeatureDescriptors(
            ELContext context, @Nullable Object base) {
        return null;
    }

    @Override
    public Class<?> getCommonPropertyType(ELContext context, @Nullable Object base) {
        return Object.class;
    }
}
