package dev.aril.engine.text;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.tree.Node;
import dev.aril.engine.ChatMessage;
import dev.aril.engine.UnsupportedCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A conversation as the model's prompt text, by the model's own Jinja template, as transformers
 * renders it, byte for byte; what would be another text is refused when the model is opened, or
 * where it is reached. The template writes its own special tokens, so the text is encoded without
 * adding any.
 *
 * <p>A template is data from a model's author, and what it renders is a client's text: its values
 * are {@link PythonValue}s with a fixed set of methods, its size, depth and time are limited, a
 * message's text is never read as a template, and any error refuses the conversation.
 */
public final class ChatTemplate {
    private static final Duration MAX_TIME = Duration.ofSeconds(2);

    /** Those that transformers hands over by name, where a model has them. */
    private static final List<String> SPECIAL_TOKENS =
            List.of(
                    "bos_token",
                    "eos_token",
                    "unk_token",
                    "sep_token",
                    "pad_token",
                    "cls_token",
                    "mask_token");

    private static final JinjavaConfig LIMITS =
            JinjavaConfig.newBuilder()
                    // else {{ braces }} in a message would be run as a template
                    .withNestedInterpretationEnabled(false)
                    .withMaxOutputSize(TemplateLimits.TEXT)
                    .withMaxStringLength(TemplateLimits.TEXT)
                    .withMaxRenderDepth(TemplateLimits.DEPTH)
                    .build();
    private static final Jinjava JINJA = new Jinjava(LIMITS);

    static {
        TemplateSource.tags().forEach(JINJA.getGlobalContext()::registerTag);
    }

    /** A template as it is rendered any number of times: nothing in it changes. */
    private record Read(List<TemplateSource.Part> parts, Node tree) {}

    /** Absent if the model has none. */
    private final @Nullable Read template;

    private final Map<String, Object> given;
    private final Duration maxTime;

    private ChatTemplate(
            @Nullable String template, Map<String, String> tokens, Clock clock, Duration maxTime) {
        this.maxTime = maxTime;
        this.template = template == null ? null : read(template, maxTime);
        this.given = new HashMap<>(TemplateGlobals.functions(clock));
        given.putAll(tokens);
        given.put("tools", PythonValue.NONE);
        given.put("documents", PythonValue.NONE);
    }

    private static Read read(String template, Duration maxTime) {
        TemplateSource source = TemplateSource.read(template);
        Scope nothing = new Scope(new TemplateLimits(maxTime), Map.of());
        TemplateRun run = new TemplateRun(JINJA, LIMITS, source.parts(), nothing);
        Node tree = run.parse(source.skeleton());
        if (!run.getErrors().isEmpty()) {
            throw new IllegalArgumentException(run.getErrors().getFirst().getMessage());
        }
        return new Read(List.copyOf(source.parts()), tree);
    }

    /**
     * @param modelDirectory holds {@code tokenizer_config.json} and maybe {@code
     *     chat_template.jinja}, which goes first; a model without a template serves no chat
     * @throws UnsupportedCheckpoint if the template uses what is not supported, naming it
     */
    public static ChatTemplate open(Path modelDirectory) throws IOException {
        JsonNode config = json(modelDirectory.resolve("tokenizer_config.json"));
        Path map = modelDirectory.resolve("special_tokens_map.json");
        JsonNode others = Files.exists(map) ? json(map) : config;
        Map<String, String> tokens = new LinkedHashMap<>();
        for (String name : SPECIAL_TOKENS) {
            JsonNode token = config.hasNonNull(name) ? config.path(name) : others.path(name);
            // an added token is an object
            String text =
                    token.isObject() ? token.path("content").asString("") : token.asString("");
            if (!text.isEmpty()) {
                tokens.put(name, text);
            }
        }
        Path file = modelDirectory.resolve("chat_template.jinja");
        boolean own = Files.exists(file);
        try {
            return new ChatTemplate(
                    own ? Files.readString(file) : inConfig(config.path("chat_template")),
                    tokens,
                    Clock.systemDefaultZone(),
                    MAX_TIME);
        } catch (IllegalArgumentException e) {
            throw new UnsupportedCheckpoint(
                    (own ? "chat_template.jinja: " : "tokenizer_config.json: chat_template: ")
                            + e.getMessage()
                            + "; rewrite it in chat_template.jinja, which goes before the"
                            + " configuration's");
        }
    }

    private static JsonNode json(Path file) throws IOException {
        try {
            return JsonMapper.shared().readTree(Files.readAllBytes(file));
        } catch (JacksonException e) {
            throw new UnsupportedCheckpoint(
                    file.getFileName() + " is not JSON: " + e.getOriginalMessage());
        }
    }

    static ChatTemplate of(
            String template, Map<String, String> tokens, Clock clock, Duration maxTime) {
        return new ChatTemplate(template, tokens, clock, maxTime);
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

    /**
     * @param addGenerationPrompt ends where the assistant's answer begins
     * @throws IllegalArgumentException if the template refuses the messages, or the model has none
     */
    public String render(List<ChatMessage> messages, boolean addGenerationPrompt) {
        List<Object> values =
                messages.stream()
                        .<Object>map(m -> {
                            Map<Object, Object> message = new LinkedHashMap<>();
                            message.put("role", m.role());
                            message.put("content", m.content());
                            return message;
                        })
                        .toList();
        return render(Map.of("messages", values, "add_generation_prompt", addGenerationPrompt));
    }

    /**
     * @param variables as {@link PythonValue}s
     */
    String render(Map<String, Object> variables) {
        if (template == null) {
            throw new IllegalArgumentException(
                    "messages: this model has no chat template; use plain completions");
        }
        Map<String, Object> all = new HashMap<>(given);
        all.putAll(variables);
        Scope scope = new Scope(new TemplateLimits(maxTime), all);
        TemplateRun run = new TemplateRun(JINJA, LIMITS, template.parts(), scope);
        try (var current = JinjavaInterpreter.closeablePushCurrent(run).get()) {
            String text = run.render(template.tree());
            if (run.getErrors().isEmpty()) {
                return text;
            }
            TemplateError error = run.getErrors().getFirst();
            throw new TemplateFault(error.getMessage());
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(explain(e, run.line()), e);
        } catch (StackOverflowError e) {
            throw new IllegalArgumentException(
                    "messages: the chat template cannot render them: it nests too deeply", e);
        }
    }

    /** The library wraps what its tags throw. */
    private static String explain(RuntimeException thrown, int line) {
        Throwable inner = thrown;
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof TemplateRefusal) {
                return "messages: the chat template refuses them: " + cause.getMessage();
            }
            inner = cause;
        }
        return "messages: the chat template cannot render them: %s (line %d of the template)"
                .formatted(inner.getMessage(), line);
    }
}
