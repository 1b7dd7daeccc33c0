package dev.aril.engine.measure;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

/**
 * One measurement as it is printed, recorded and tabled: values by name, in order. What it measures
 * is under {@code bench}; names end in their unit.
 */
record Row(Map<String, Object> values) {
    private static final MathContext DIGITS = new MathContext(4);

    static Row of(String bench) {
        return new Row(new LinkedHashMap<>(Map.of("bench", bench)));
    }

    /**
     * @throws IllegalArgumentException if the line is no JSON object
     */
    static Row parse(String line) {
        try {
            return new Row(
                    JsonMapper.shared()
                            .readValue(
                                    line, new TypeReference<LinkedHashMap<String, Object>>() {}));
        } catch (JacksonException e) {
            throw new IllegalArgumentException("not a JSON object: " + line, e);
        }
    }

    Row with(String name, String value) {
        return put(name, value);
    }

    Row with(String name, long value) {
        return put(name, value);
    }

    /** Four digits: no measurement here is better than that. */
    Row with(String name, double value) {
        return Double.isFinite(value)
                ? put(name, new BigDecimal(value).round(DIGITS).doubleValue())
                : this;
    }

    /** These values first, then this row's. */
    Row after(Map<String, Object> first) {
        Map<String, Object> all = new LinkedHashMap<>(first);
        all.putAll(values);
        return new Row(all);
    }

    /** This row's values, then the other's. */
    Row and(Row other) {
        return other.after(values);
    }

    private Row put(String name, Object value) {
        Map<String, Object> more = new LinkedHashMap<>(values);
        more.put(name, value);
        return new Row(more);
    }

    String bench() {
        return text("bench");
    }

    /** A value as text, empty where there is none; whole numbers without a point. */
    String text(String name) {
        Object value = values.get(name);
        return value == null ? "" : String.valueOf(value);
    }

    @Nullable Double number(String name) {
        return values.get(name) instanceof Number n ? Double.valueOf(n.doubleValue()) : null;
    }

    String json() {
        return JsonMapper.shared().writeValueAsString(values);
    }
}
