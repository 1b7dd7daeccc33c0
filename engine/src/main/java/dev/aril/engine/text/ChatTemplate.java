package dev.aril.engine.text;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.el.JinjavaNodePreProcessor;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.Context.Library;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import com.hubspot.jinjava.tree.Node;
import dev.aril.engine.ChatMessage;
import dev.aril.engine.UnsupportedCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A conversation as the model's prompt text, by the model's own Jinja template, as transformers
 * renders it (see {@link TemplateSource}), {@code raise_exception} at hand. The template writes its
 * own special tokens, so the text is encoded without adding any.
 *
 * <p>A template is data from a model's author, and what it renders is a client's text: it reaches
 * nothing but {@link TemplateValues}, its size, depth and time are limited, a message's text is
 * never read as a template, and any error refuses the conversation.
 */
public final class ChatTemplate {
    private static final int MAX_OUTPUT = 32 << 20;
    private static final int MAX_ITEMS = 10_000;
    private static final int MAX_DEPTH = 32;
    private static final Duration MAX_TIME = Duration.ofSeconds(2);

    /** Filters whose output has another form in Python. */
    private static final Set<String> UNLIKE_PYTHON =
            Set.of("tojson", "pprint", "format", "title", "escape", "e", "safe");

    /** On {@link System#nanoTime}'s clock. */
    private static final ScopedValue<Long> DEADLINE = ScopedValue.newInstance();

    /** Raised by the template itself; its message is meant for the client. */
    static final class Refusal extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Refusal(String message) {
            super(message);
        }
    }

    private final @Nullable String template;

    /** Why there is no template. */
    private final String refusal;

    private final String bos;
    private final String eos;
    private final Jinjava jinja;
    private final long maxNanos;

    private ChatTemplate(@Nullable String template, String bos, String eos, Duration maxTime) {
        this.bos = bos;
        this.eos = eos;
        this.maxNanos = maxTime.toNanos();
        JinjavaConfig limits =
                JinjavaConfig.newBuilder()
                        .withLegacyOverrides(
                                LegacyOverrides.Builder.from(LegacyOverrides.ALL)
                                        .withWhitespaceRequiredWithinTokens(false)
                                        .build())
                        // else {{ braces }} in a message would be run as a template
                        .withNestedInterpretationEnabled(false)
                        .withElResolver(new TemplateValues())
                        .withDisabled(
                                Map.of(
                                        Library.TAG,
                                        Set.of("include", "import", "from", "extends", "cycle")))
                        .withNodePreProcessor(
                                new JinjavaNodePreProcessor().andThen(ChatTemplate::checkTime))
                        .withMaxOutputSize(MAX_OUTPUT)
                        .withMaxStringLength(MAX_OUTPUT)
                        .withMaxListSize(MAX_ITEMS)
                        .withMaxMapSize(MAX_ITEMS)
                        .withRangeLimit(MAX_ITEMS)
                        .withMaxRenderDepth(MAX_DEPTH)
                        .withMaxMacroRecursionDepth(MAX_DEPTH)
                        .build();
        this.jinja = new Jinjava(limits);
        jinja.getGlobalContext().registerFunction(raise());
        jinja.getGlobalContext().registerFilter(new Trim());
        String rewritten = null;
        String refusal = "this model has no chat template; use plain completions";
        if (template != null) {
            try {
                rewritten = read(template);
            } catch (IllegalArgumentException e) {
                refusal = "this model's chat template cannot be used: " + e.getMessage();
            }
        }
        this.template = rewritten;
        this.refusal = refusal;
    }

    private String read(String template) {
        TemplateSource source = TemplateSource.rewrite(template);
        Context known = jinja.getGlobalContext();
        for (String filter : source.filters()) {
            if (UNLIKE_PYTHON.contains(filter) || known.getFilter(filter) == null) {
                known.registerFilter(new Unsupported(filter));
            }
        }
        for (String test : source.tests()) {
            if (known.getExpTest(test) == null) {
                known.registerExpTest(new Unsupported(test));
            }
        }
        return source.text();
    }

    /**
     * @param modelDirectory holds {@code tokenizer_config.json} and maybe {@code
     *     chat_template.jinja}, which goes first; a model without a template serves no chat
     */
    public static ChatTemplate open(Path modelDirectory) throws IOException {
        JsonNode config;
        try {
            config =
                    JsonMapper.shared()
                            .readTree(
                                    Files.readAllBytes(
                                            modelDirectory.resolve("tokenizer_config.json")));
        } catch (JacksonException e) {
            throw new UnsupportedCheckpoint(
                    "tokenizer_config.json is not JSON: " + e.getOriginalMessage());
        }
        Path file = modelDirectory.resolve("chat_template.jinja");
        String template =
                Files.exists(file)
                        ? Files.readString(file)
                        : inConfig(config.path("chat_template"));
        return new ChatTemplate(
                template,
                token(config.path("bos_token")),
                token(config.path("eos_token")),
                MAX_TIME);
    }

    static ChatTemplate of(String template, String bos, String eos, Duration maxTime) {
        return new ChatTemplate(template, bos, eos, maxTime);
    }

    /** A string, or several named ones of which the default is meant. */
    private static @Nullable String inConfig(JsonNode node) {
        if (node.isString()) {
            return node.asString();
        }
        for (JsonNode named : node) {
            if (named.path("name").asString("").equals("default")) {
                return named.path("template").asString();
            }
        }
        return null;
    }

    private static String token(JsonNode node) {
        return node.isObject() ? node.path("content").asString("") : node.asString("");
    }

    /**
     * @param addGenerationPrompt ends where the assistant's answer begins
     * @throws IllegalArgumentException if the template refuses the messages, or the model has none
     */
    public String render(List<ChatMessage> messages, boolean addGenerationPrompt) {
        if (template == null) {
            throw new IllegalArgumentException("messages: " + refusal);
        }
        Map<String, Object> variables = new HashMap<>();
        variables.put(
                "messages",
                messages.stream()
                        .map(m -> Map.<String, Object>of("role", m.role(), "content", m.content()))
                        .toList());
        variables.put("bos_token", bos);
        variables.put("eos_token", eos);
        variables.put("add_generation_prompt", addGenerationPrompt);
        RenderResult result;
        try {
            result =
                    ScopedValue.where(DEADLINE, System.nanoTime() + maxNanos)
                            .call(() -> jinja.renderForResult(template, variables));
        } catch (RuntimeException e) {
            // a limit met outside of the template's own nodes
            throw new IllegalArgumentException(
                    "messages: the chat template cannot render them: " + e.getMessage(), e);
        }
        if (result.hasErrors()) {
            throw new IllegalArgumentException(explain(result.getErrors().getFirst()));
        }
        return result.getOutput();
    }

    private static void checkTime(Node node, JinjavaInterpreter interpreter) {
        if (System.nanoTime() - DEADLINE.get() > 0) {
            throw new Refusal("rendering takes too long");
        }
    }

    private static String explain(TemplateError error) {
        for (Throwable cause = error.getException(); cause != null; cause = cause.getCause()) {
            if (cause instanceof Refusal) {
                return "messages: the chat template refuses them: " + cause.getMessage();
            }
        }
        return "messages: the chat template cannot render them: "
                + error.getMessage()
                + " (line "
                + error.getLineno()
                + " of the template)";
    }

    private static ELFunctionDefinition raise() {
        return new ELFunctionDefinition(
                "", "raise_exception", ChatTemplate.class, "refuse", Object.class);
    }

    /** The template's {@code raise_exception}; public because the library calls it. */
    public static Object refuse(Object message) {
        throw new Refusal(String.valueOf(message));
    }

    /** Python's whitespace, not Java's. */
    private static final class Trim implements Filter {
        @Override
        public String getName() {
            return "trim";
        }

        @Override
        public @Nullable Object filter(
                @Nullable Object value, JinjavaInterpreter interpreter, String... arguments) {
            return value == null ? "" : PythonText.strip(value.toString(), null, true, true);
        }
    }

    /** A filter or test that is an error where it is reached, not before: in tools' branches. */
    private record Unsupported(String name) implements Filter, ExpTest {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public Object filter(
                @Nullable Object value, JinjavaInterpreter interpreter, String... arguments) {
            throw new Refusal("the filter " + name + " is not supported");
        }

        @Override
        public boolean evaluate(
                @Nullable Object value, JinjavaInterpreter interpreter, Object... arguments) {
            throw new Refusal("the test " + name + " is not supported");
        }
    }
}
