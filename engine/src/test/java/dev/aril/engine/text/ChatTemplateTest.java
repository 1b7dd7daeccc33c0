package dev.aril.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.aril.engine.ChatMessage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
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

    private static String render(String template, boolean prompt, ChatMessage... messages) {
        return ChatTemplate.of(template, "<s>", "</s>", Duration.ofSeconds(20))
                .render(List.of(messages), prompt);
    }

    @Test
    void llama3() {
        String template =
                """
                {% set loop_messages = messages %}{% for message in loop_messages %}\
                {% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'\
                + message['content'] | trim + '<|eot_id|>' %}\
                {% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}\
                {{ content }}{% endfor %}\
                {% if add_generation_prompt %}\
                {{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
                """;
        assertThat(render(template, true, SYSTEM, HI, HELLO, WHY))
                .isEqualTo(
                        "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
                                + "<|start_header_id|>user<|end_header_id|>\n\n"
                                + "Hi {{ bos_token }}{% if %}<|eot_id|>"
                                + "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
                                + "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
                                + "<|start_header_id|>assistant<|end_header_id|>\n\n");
    }

    /** Llama 3.1's manner: whitespace control, defaults for variables that are not given. */
    @Test
    void llama31() {
        String template =
                """
                {{- bos_token }}
                {%- if custom_tools is defined %}
                    {%- set tools = custom_tools %}
                {%- endif %}
                {%- if not date_string is defined %}
                    {%- if strftime_now is defined %}
                        {%- set date_string = strftime_now("%d %b %Y") %}
                    {%- else %}
                        {%- set date_string = "26 Jul 2024" %}
                    {%- endif %}
                {%- endif %}
                {%- if not tools is defined %}
                    {%- set tools = none %}
                {%- endif %}

                {#- The system message goes into its own place #}
                {%- if messages[0]['role'] == 'system' %}
                    {%- set system_message = messages[0]['content']|trim %}
                    {%- set messages = messages[1:] %}
                {%- else %}
                    {%- set system_message = "" %}
                {%- endif %}

                {{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
                {%- if tools is not none %}
                    {{- "Environment: ipython\\n" }}
                {%- endif %}
                {{- "Today Date: " + date_string + "\\n\\n" }}
                {{- system_message }}
                {{- "<|eot_id|>" }}
                {%- for message in messages %}
                    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
                        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
                    {%- elif 'tool_calls' in message %}
                        {{- raise_exception("no tools") }}
                    {%- endif %}
                {%- endfor %}
                {%- if add_generation_prompt %}
                    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
                {%- endif %}
                """;
        assertThat(render(template, true, SYSTEM, WHY))
                .isEqualTo(
                        "<s><|start_header_id|>system<|end_header_id|>\n\n"
                                + "Today Date: 26 Jul 2024\n\nBe brief.<|eot_id|>"
                                + "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
                                + "<|start_header_id|>assistant<|end_header_id|>\n\n");
        assertThat(render(template, false, WHY))
                .isEqualTo(
                        "<s><|start_header_id|>system<|end_header_id|>\n\n"
                                + "Today Date: 26 Jul 2024\n\n<|eot_id|>"
                                + "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>");
    }

    /** Mistral's manner: roles must alternate, or the template refuses. */
    @Test
    void mistral() {
        String template =
                """
                {%- if messages[0]['role'] == 'system' -%}
                    {%- set system_message = messages[0]['content'].strip() -%}
                    {%- set loop_messages = messages[1:] -%}
                {%- else -%}
                    {%- set loop_messages = messages -%}
                {%- endif -%}
                {{ bos_token }}
                {%- for message in loop_messages -%}
                    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
                        {{ raise_exception('Conversation roles must alternate user/assistant/user') }}
                    {%- endif -%}
                    {%- if message['role'] == 'user' -%}
                        {%- if loop.first and system_message is defined -%}
                            {{ ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}
                        {%- else -%}
                            {{ ' [INST] ' + message['content'] + ' [/INST]' }}
                        {%- endif -%}
                    {%- elif message['role'] == 'assistant' -%}
                        {{ ' ' + message['content'] + eos_token }}
                    {%- else -%}
                        {{ raise_exception('Only user and assistant roles are supported, not ' ~ message.role) }}
                    {%- endif -%}
                {%- endfor -%}
                """;
        assertThat(render(template, true, SYSTEM, HI, HELLO, WHY))
                .isEqualTo(
                        "<s> [INST] Be brief.\n\nHi {{ bos_token }}{% if %} [/INST]"
                                + " Hello.</s> [INST]   Why?  [/INST]");
        assertThatThrownBy(() -> render(template, true, HI, WHY))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "messages: the chat template refuses them: "
                                + "Conversation roles must alternate user/assistant/user");
    }

    /** Qwen's manner: ChatML, a default system message, a namespace and a reversed search. */
    @Test
    void qwen() {
        String template =
                """
                {%- if messages[0].role == 'system' %}
                    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
                {%- else %}
                    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
                {%- endif %}
                {%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
                {%- for message in messages[::-1] %}
                    {%- set index = (messages|length - 1) - loop.index0 %}
                    {%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
                        {%- set ns.multi_step = false %}
                        {%- set ns.last = index %}
                    {%- endif %}
                {%- endfor %}
                {%- for message in messages %}
                    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
                        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
                    {%- elif message.role == "assistant" %}
                        {%- set content = message.content %}
                        {%- if '</think>' in content %}
                            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
                        {%- endif %}
                        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
                    {%- endif %}
                {%- endfor %}
                {%- if add_generation_prompt %}
                    {{- '<|im_start|>assistant\\n' }}
                    {%- if enable_thinking is defined and enable_thinking is false %}
                        {{- '<think>\\n\\n</think>\\n\\n' }}
                    {%- endif %}
                {%- endif %}{{ ns.last }}
                """;
        assertThat(
                        render(
                                template,
                                true,
                                HI,
                                new ChatMessage("assistant", "<think>\nhm\n</think>\n\nHello."),
                                WHY,
                                HELLO))
                .isEqualTo(
                        """
                        <|im_start|>system
                        You are a helpful assistant.<|im_end|>
                        <|im_start|>user
                        Hi {{ bos_token }}{% if %}<|im_end|>
                        <|im_start|>assistant
                        Hello.<|im_end|>
                        <|im_start|>user
                          Why? <|im_end|>
                        <|im_start|>assistant
                        Hello.<|im_end|>
                        <|im_start|>assistant
                        2\
                        """);
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
                .isEqualTo("two|assistant|bc|c|AB|x-y-z|no|x|xxa|role=assistant|true|a--b");
    }

    @Test
    void whatTheLibraryGetsWrongIsRefusedByName() {
        for (String[] wrong :
                new String[][] {
                    {
                        "{% for m in messages %}{% if m %}{% else %}{% endif %}{% else %}{% endfor %}",
                        "{% else %} of a {% for %}"
                    },
                    {"{% raw %}{% endraw %}", "{% raw %}"},
                    {"{{ 'x }}", "a tag that does not end"}
                }) {
            assertThatThrownBy(() -> render(wrong[0], true, HI))
                    .hasMessageStartingWith(
                            "messages: this model's chat template cannot be used: "
                                    + wrong[1]
                                    + " is not supported (line ");
        }
        assertThatThrownBy(() ->
                        render("{% for m in messages if m.role == 'x' %}{% endfor %}", true, HI))
                .hasMessageContaining("a loop with a condition is not supported");
        assertThat(
                        render(
                                "{% if tools %}{% for t in tools if t is odder %}{{ t | nope }}"
                                        + "{% endfor %}{% endif %}fine",
                                true, HI))
                .isEqualTo("fine");
        assertThatThrownBy(() -> render("{{ '| x' | upper | nope('is y') }}", true, HI))
                .hasMessageContaining("the filter nope is not supported");
        assertThatThrownBy(() -> render("{{ 1 is not odder }}", true, HI))
                .hasMessageContaining("the test odder is not supported");
        assertThat(
                        render(
                                "{% for m in (messages if messages else []) %}{{ '%} if }}' }}"
                                        + "{% if m %}{% else %}{% endif %}{% endfor %}",
                                true, HI))
                .isEqualTo("%} if }}");
    }

    @Test
    void nothingElseIsWithinReach() {
        for (String template :
                List.of(
                        "{{ ''.class.forName('java.lang.Runtime') }}",
                        "{{ ''.getClass() }}",
                        "{{ messages.getClass() }}",
                        "{{ messages[0].getClass().getClassLoader() }}",
                        "{{ messages.class }}",
                        "{{ messages[0].content.bytes }}",
                        "{{ messages.append('x') }}",
                        "{{ messages[0].update({'role': 'x'}) }}",
                        "{% for m in messages %}{{ loop.iterator }}{% endfor %}",
                        "{{ ____int3rpr3t3r____.getContext() }}",
                        "{{ ____int3rpr3t3r____.config }}",
                        "{% include 'logback.xml' %}",
                        "{% import 'logback.xml' as x %}",
                        "{% extends 'logback.xml' %}",
                        "{{ messages | tojson }}",
                        "{{ strftime_now('%d') }}",
                        "{% no_such_tag %}",
                        "{% if %}x{% endif %}",
                        "{{ 'x'.strip( }}")) {
            Throwable thrown = catchThrowable(() -> render(template, true, HI));
            assertThat(thrown)
                    .as(template)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("messages: the chat template ");
        }
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
                ChatTemplate.of(
                        "{% for i in range(9000) %}{% for j in range(9000) %}"
                                + "{% for k in range(9000) %}{% if k == 'x' %}{% endif %}"
                                + "{% endfor %}{% endfor %}{% endfor %}",
                        "", "", Duration.ofMillis(50));
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
                ChatTemplate.of(
                        "{% set ns = namespace(n=0) %}{% for m in messages %}"
                                + "{% set ns.n = ns.n + 1 %}{{ m.content }}{% endfor %}{{ ns.n }}",
                        "", "", Duration.ofSeconds(20));
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
}
