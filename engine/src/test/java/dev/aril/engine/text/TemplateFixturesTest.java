package dev.aril.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What jinja2 renders, byte for byte: {@code render.py} beside the templates wrote it down. */
class TemplateFixturesTest {
    private static final Path FOLDER = Path.of("src", "test", "templates");

    @SuppressWarnings("NullAway.Init")
    private static JsonNode expected;

    @SuppressWarnings("NullAway.Init")
    private static Clock clock;

    @BeforeAll
    static void read() throws IOException {
        expected =
                JsonMapper.shared().readTree(Files.readAllBytes(FOLDER.resolve("expected.json")));
        clock =
                Clock.fixed(
                        LocalDateTime.parse(expected.path("today").asString())
                                .toInstant(ZoneOffset.UTC),
                        ZoneOffset.UTC);
    }

    @Test
    void everyConstructIsJinjas() {
        Map<String, Object> values = variables(expected.path("values"));
        List<String> wrong = new ArrayList<>();
        for (JsonNode construct : expected.path("constructs")) {
            String template = construct.path("template").asString();
            check(template, Map.of(), values, construct, template, wrong);
        }
        assertThat(wrong).isEmpty();
        assertThat(expected.path("constructs").size()).isGreaterThan(150);
    }

    @Test
    void everyFamilysTemplateIsTransformers() throws IOException {
        JsonNode conversations = expected.path("conversations");
        List<String> wrong = new ArrayList<>();
        int cases = 0;
        for (Map.Entry<String, JsonNode> family : expected.path("families").properties()) {
            String template = Files.readString(FOLDER.resolve(family.getKey() + ".jinja"));
            Map<String, String> tokens = new HashMap<>();
            family.getValue()
                    .path("tokens")
                    .properties()
                    .forEach(token -> tokens.put(token.getKey(), token.getValue().asString()));
            for (JsonNode one : family.getValue().path("cases")) {
                Map<String, Object> values = variables(one.path("variables"));
                String title = one.path("conversation").asString();
                values.put("messages", value(conversations.path(title)));
                String name = family.getKey() + ", " + title + ", " + one.path("variables");
                check(template, tokens, values, one, name, wrong);
                cases++;
            }
        }
        assertThat(wrong).isEmpty();
        assertThat(cases).isGreaterThan(500);
    }

    private static void check(
            String template,
            Map<String, String> tokens,
            Map<String, Object> values,
            JsonNode expected,
            String name,
            List<String> wrong) {
        String text = null;
        String error = null;
        try {
            text = ChatTemplate.of(template, tokens, clock, Duration.ofSeconds(20)).render(values);
        } catch (IllegalArgumentException e) {
            error = String.valueOf(e.getMessage());
        }
        boolean right;
        if (expected.has("text")) {
            right = expected.path("text").asString().equals(text);
        } else if (expected.has("sha256")) {
            right = text != null && expected.path("sha256").asString().equals(sha256(text));
        } else if (expected.has("raises")) {
            right =
                    ("messages: the chat template refuses them: "
                                    + expected.path("raises").asString())
                            .equals(error);
        } else {
            right = error != null && !error.contains("refuses them");
        }
        if (!right) {
            wrong.add(
                    "%s%n   expected %s%n   but was  %s %s%n"
                            .formatted(
                                    name,
                                    expected.path("text").isMissingNode()
                                            ? expected
                                            : expected.path("text"),
                                    JsonMapper.shared().writeValueAsString(text),
                                    error));
        }
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of()
                    .formatHex(
                            MessageDigest.getInstance("SHA-256")
                                    .digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Map<String, Object> variables(JsonNode object) {
        Map<String, Object> variables = new HashMap<>();
        object.properties()
                .forEach(entry -> variables.put(entry.getKey(), value(entry.getValue())));
        return variables;
    }

    private static Object value(JsonNode node) {
        if (node.isObject()) {
            Map<Object, Object> map = new LinkedHashMap<>();
            node.properties().forEach(entry -> map.put(entry.getKey(), value(entry.getValue())));
            return map;
        }
        if (node.isArray()) {
            List<Object> list = new ArrayList<>();
            node.forEach(item -> list.add(value(item)));
            return list;
        }
        if (node.isString()) {
            return node.asString();
        }
        if (node.isBoolean()) {
            return node.asBoolean();
        }
        if (node.isNull()) {
            return PythonValue.NONE;
        }
        return node.isIntegralNumber() ? (Object) node.asLong() : (Object) node.asDouble();
    }

    /** Never rendered wrongly: what is not there says so. */
    @Test
    void whatIsNotSupportedIsRefusedByName() {
        for (String[] refused :
                new String[][] {
                    {"{{ 'a'.format(1) }}", "the method format of str object is not supported"},
                    {"{{ 'a'.encode() }}", "the method encode of str object is not supported"},
                    {"{{ '%s' % 1 }}", "formatting a text by % is not supported"},
                    {
                        "{{ ''.__class__ }}",
                        "the attribute __class__ of str object is not supported"
                    },
                    {"{{ range }}", "printing function object is not supported"},
                    {"{{ 7 | int(base=16) }}", "the filter int with another base"},
                    {"{{ strftime_now('%s') }}", "strftime_now: %s is not supported"},
                    {"{{ 9223372036854775807 + 1 }}", "has no value here"},
                    {"{{ {none: 1} }}", "None as a key is not supported"},
                }) {
            ChatTemplate template =
                    ChatTemplate.of(refused[0], Map.of(), clock, Duration.ofSeconds(20));
            assertThatThrownBy(() -> template.render(Map.of()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(refused[1]);
        }
        for (String[] refused :
                new String[][] {
                    {"\n{{ 'a' | safe }}", "the filter safe is not supported (line 2"},
                    {"{{ names | batch(2) }}", "the filter batch is not supported (line 1"},
                    {"{{ names | map('escape') }}", "the filter escape is not supported"},
                    {"{{ names | select('sameas', 1) }}", "the test sameas is not supported"},
                    {
                        "{% if f %}{{ x is escaped }}{% endif %}",
                        "the test escaped is not supported"
                    },
                    {"{% include 'x' %}", "{% include %} is not supported"},
                    {"{% import 'x' as y %}", "{% import %} is not supported"},
                    {"{% extends 'x' %}", "{% extends %} is not supported"},
                    {"{% block x %}{% endblock %}", "{% block %} is not supported"},
                    {"{% for x in y recursive %}{% endfor %}", "a recursive loop is not supported"},
                    {"{{ f(*names) }}", "a call with * or ** is not supported"},
                    {"{{ cycler(1) }}", "the name cycler is not supported"},
                    {"{{ x[1, 2] }}", "an index of several parts is not supported"},
                    {"{{ 0x1F }}", "a number that is not decimal is not supported"},
                    {"{{ 99999999999999999999 }}", "the number 99999999999999999999 is not"},
                    {"{{ '\\N{DASH}' }}", "a character by its name (\\N) is not supported"},
                    {"{{ " + "(".repeat(200) + "1" + ")".repeat(200) + " }}", "deep in brackets"},
                    {"{{ " + "-".repeat(200) + "1 }}", "more than 100 signs"},
                    {"{% if x %}\n", "{% if %} without its end (line 1"},
                }) {
            assertThatThrownBy(() ->
                            ChatTemplate.of(refused[0], Map.of(), clock, Duration.ofSeconds(20)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(refused[1]);
        }
    }
}
