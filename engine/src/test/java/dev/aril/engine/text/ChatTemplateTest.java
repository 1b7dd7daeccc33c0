package dev.aril.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.aril.engine.ChatMessage;
import dev.aril.engine.UnsupportedCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChatTemplateTest {
    private static final ChatMessage SYSTEM = new ChatMessage("system", " Be brief.\n");
    private static final ChatMessage HI = new ChatMessage("user", "Hi {{ bos_token }}{% if %}");
    private static final ChatMessage HELLO = new ChatMessage("assistant", "Hello.");
    private static final ChatMessage WHY = new ChatMessage("user", "  Why? ");

    private static ChatTemplate template(String template, Duration most) {
        return ChatTemplate.of(
                template,
                Map.of("bos_token", "<s>", "eos_token", "</s>"),
                Clock.fixed(Instant.parse("2025-03-07T09:00:00Z"), ZoneOffset.UTC),
                most);
    }

    private static String render(String template, boolean prompt, ChatMessage... messages) {
        return template(template, Duration.ofSeconds(20)).render(List.of(messages), prompt);
    }

    /** Blocks take their own line with them, as trim_blocks and lstrip_blocks say. */
    @Test
    void whitespaceIsJinjas() {
        String template =
                """
                a
                  {% for m in messages %}
                  [{{ m.role }}]
                  {% endfor %}
                b {# gone #} c
                {# a whole line #}
                {% generation %}
                  d
                {% endgeneration %}
                {{- 'e' -}}
                  f

                """;
        assertThat(render(template, true, HI, HELLO))
                .isEqualTo("a\n  [user]\n  [assistant]\nb  c\n  d\nef\n");
    }

    @Test
    void pythonsWaysWithStringsAndMaps() {
        assertThat(
                        render(
                                "{{ messages[0].content.split(',')[1] }}|{{ messages[-1]['role'] }}|"
                                        + "{{ 'abc'[1:] }}|{{ 'abc'[-1] }}|{{ 'Ab'.upper() }}|"
                                        + "{{ 'x y  z'.split() | join('-') }}|{{ messages[0].get('name', 'no') }}|"
                                        + "{{ '\u00A0 x\u3000'.strip() }}|{{ 'xxaxx'.rstrip('x') }}|"
                                        + "{% for k, v in messages[1].items() %}{% if k == 'role' %}{{ k }}={{ v }}{% endif %}{% endfor %}|"
                                        + "{{ 'role' in messages[0] }}|{{ 'aXb'.replace('X', '--') }}",
                                false, new ChatMessage("user", "one,two,three"), HELLO))
                .isEqualTo("two|assistant|bc|c|AB|x-y-z|no|x|xxa|role=assistant|True|a--b");
    }

    @Test
    void nothingElseIsWithinReach() {
        for (String template :
                List.of(
                        "{{ ''.class.forName('java.lang.Runtime') }}",
                        "{{ ''.getClass() }}",
                        "{{ messages.getClass() }}",
                        "{{ messages[0].getClass().getClassLoader() }}",
                        "{{ messages.append('x') }}",
                        "{{ messages[0].update({'role': 'x'}) }}",
                        "{{ ____int3rpr3t3r____.getContext() }}",
                        "{{ ____int3rpr3t3r____.config }}",
                        "{{ ''.__class__.__mro__ }}",
                        "{{ namespace.__init__ }}")) {
            Throwable thrown = catchThrowable(() -> render(template, true, HI));
            assertThat(thrown)
                    .as(template)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("messages: the chat template ");
        }
        // as in Jinja, a name that is not there is nothing
        assertThat(
                        render(
                                "{{ messages.class }}{{ messages[0].content.bytes }}"
                                        + "{% for m in messages %}{{ loop.iterator }}{% endfor %}",
                                true, HI))
                .isEmpty();
    }

    @Test
    void sizeDepthAndTimeAreLimited() {
        assertThatThrownBy(() ->
                        render(
                                "{% set ns = namespace(s='0123456789abcdef') %}"
                                        + "{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}"
                                        + "{% endfor %}{{ ns.s }}",
                                true, HI))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() ->
                        render("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", true, HI))
                .isInstanceOf(IllegalArgumentException.class);
        ChatTemplate endless =
                template(
                        "{% for i in range(9000) %}{% for j in range(9000) %}"
                                + "{% for k in range(9000) %}{% if k == 'x' %}{% endif %}"
                                + "{% endfor %}{% endfor %}{% endfor %}",
                        Duration.ofMillis(50));
        assertThatThrownBy(() -> endless.render(List.of(HI), true))
                .hasMessageContaining("rendering takes too long");
    }

    @Test
    void tooManyMessagesAndTooMuchTextAreRefused() {
        ChatMessage[] many = new ChatMessage[10_001];
        Arrays.fill(many, HI);
        assertThatThrownBy(
                        () -> render("{% for m in messages %}{{ m.role }}{% endfor %}", true, many))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("messages: the chat template ");
        ChatMessage large = new ChatMessage("user", "x".repeat(17 << 20));
        assertThatThrownBy(() ->
                        render(
                                "{% for m in messages %}{{ m.content }}{% endfor %}",
                                true, large, large))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("messages: the chat template ");
    }

    @Test
    void manyThreadsMayRenderAtOnce() throws Exception {
        ChatTemplate template =
                template(
                        "{% set ns = namespace(n=0) %}{% for m in messages %}"
                                + "{% set ns.n = ns.n + 1 %}{{ m.content }}{% endfor %}{{ ns.n }}",
                        Duration.ofSeconds(20));
        List<Callable<Boolean>> tasks = new ArrayList<>();
        for (int t = 0; t < 8; t++) {
            String mine = "text " + t;
            List<ChatMessage> messages = Collections.nCopies(t + 1, new ChatMessage("user", mine));
            tasks.add(() -> {
                for (int i = 0; i < 50; i++) {
                    String expected = mine.repeat(messages.size()) + messages.size();
                    if (!template.render(messages, true).equals(expected)) {
                        return false;
                    }
                }
                return true;
            });
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            for (Future<Boolean> result : threads.invokeAll(tasks)) {
                assertThat(result.get()).isTrue();
            }
        }
    }

    @Test
    void aTemplateFileGoesBeforeTheConfigurationsAndNoneMeansNoChat(@TempDir Path folder)
            throws IOException {
        Path config = folder.resolve("tokenizer_config.json");
        Files.writeString(config, "{\"bos_token\": {\"content\": \"<b>\"}}");
        ChatTemplate none = ChatTemplate.open(folder);
        assertThatThrownBy(() -> none.render(List.of(HI), true))
                .hasMessageContaining("has no chat template");
        Files.writeString(
                config,
                """
                {"bos_token": {"content": "<b>"}, "chat_template": [
                  {"name": "tool_use", "template": "tools"},
                  {"name": "default", "template": "{{ bos_token }}config"}]}
                """);
        assertThat(ChatTemplate.open(folder).render(List.of(HI), true)).isEqualTo("<b>config");
        Files.writeString(folder.resolve("chat_template.jinja"), "{{ bos_token }}file\n");
        assertThat(ChatTemplate.open(folder).render(List.of(HI), true)).isEqualTo("<b>file");
    }

    @Test
    void tokensAreTextsOrObjectsAndThoseThatAreNotThereAreUndefined(@TempDir Path folder)
            throws IOException {
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                """
                {"bos_token": null, "eos_token": {"__type": "AddedToken", "content": "</s>"},
                 "pad_token": "<pad>", "chat_template":
                 "{{ bos_token is defined }} {{ eos_token }} {{ pad_token }} {{ unk_token }}"}
                """);
        assertThat(ChatTemplate.open(folder).render(List.of(HI), true))
                .isEqualTo("False </s> <pad> ");
        Files.writeString(
                folder.resolve("special_tokens_map.json"),
                "{\"unk_token\": {\"content\": \"<unk>\"}, \"eos_token\": \"other\"}");
        assertThat(ChatTemplate.open(folder).render(List.of(HI), true))
                .isEqualTo("False </s> <pad> <unk>");
    }

    @Test
    void aTemplateThatCannotBeRenderedIsRefusedWhenAModelIsOpened(@TempDir Path folder)
            throws IOException {
        Path config = folder.resolve("tokenizer_config.json");
        Files.writeString(config, "{\"chat_template\": \"{{ messages | nosuch }}\"}");
        assertThatThrownBy(() -> ChatTemplate.open(folder))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessage(
                        "tokenizer_config.json: chat_template: the filter nosuch is not supported"
                                + " (line 1 of the template); rewrite it in chat_template.jinja,"
                                + " which goes before the configuration's");
        Files.writeString(folder.resolve("chat_template.jinja"), "\n{% include 'x' %}");
        assertThatThrownBy(() -> ChatTemplate.open(folder))
                .hasMessageStartingWith(
                        "chat_template.jinja: {% include %} is not supported (line 2");
        Files.writeString(folder.resolve("chat_template.jinja"), "{{ messages[0].content }}");
        assertThat(ChatTemplate.open(folder).render(List.of(WHY), true)).isEqualTo("  Why? ");
        Files.delete(folder.resolve("chat_template.jinja"));
        Files.writeString(
                config, "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"x\"}]}");
        ChatTemplate toolsOnly = ChatTemplate.open(folder);
        assertThatThrownBy(() -> toolsOnly.render(List.of(HI), true))
                .hasMessageContaining("has no chat template");
        Files.writeString(config, "[");
        assertThatThrownBy(() -> ChatTemplate.open(folder))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageContaining("tokenizer_config.json is not JSON");
    }
}
