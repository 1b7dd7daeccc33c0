package dev.aril.engine.model;

import dev.aril.engine.UnsupportedCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Which id begins every sequence, as the tokenizer's files say: configurations name a {@code
 * bos_token_id} also where the model was trained without it. {@code add_bos_token} decides; without
 * it {@code tokenizer.json}'s template does; without either, Llama's own tokenizer class begins
 * with it and others do not. Without tokenizer files the configuration's id holds.
 */
final class SequenceStart {
    private static final JsonMapper JSON = JsonMapper.shared();

    /** Classes that add it unless told otherwise. */
    private static final Set<String> ADDING =
            Set.of(
                    "LlamaTokenizer",
                    "LlamaTokenizerFast",
                    "CodeLlamaTokenizer",
                    "CodeLlamaTokenizerFast");

    private final ModelConfig config;
    private final JsonNode settings;
    private final Map<String, Integer> added = new HashMap<>();
    private JsonNode postProcessor = JSON.createObjectNode();

    private SequenceStart(ModelConfig config, JsonNode settings) {
        this.config = config;
        this.settings = settings;
    }

    /**
     * @return -1 if nothing does
     */
    static int of(Path directory, ModelConfig config) throws IOException {
        Path tokenizer = directory.resolve("tokenizer.json");
        Path settings = directory.resolve("tokenizer_config.json");
        if (!Files.exists(tokenizer)) {
            return config.bosId();
        }
        String file = "tokenizer_config.json";
        try {
            JsonNode read =
                    Files.exists(settings)
                            ? JSON.readTree(Files.readAllBytes(settings))
                            : JSON.createObjectNode();
            SequenceStart start = new SequenceStart(config, read);
            file = "tokenizer.json";
            start.read(tokenizer);
            return start.id();
        } catch (JacksonException e) {
            throw new UnsupportedCheckpoint(
                    file + " is not JSON: " + Printable.of(e.getOriginalMessage()));
        }
    }

    /** The vocabulary, which may be large, is skipped. */
    private void read(Path tokenizer) {
        try (JsonParser parser = JSON.createParser(tokenizer.toFile())) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new UnsupportedCheckpoint("tokenizer.json is not a JSON object");
            }
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "post_processor" -> postProcessor = parser.readValueAsTree();
                    case "added_tokens" -> {
                        JsonNode tokens = parser.readValueAsTree();
                        for (JsonNode token : tokens) {
                            added.put(
                                    token.path("content").asString(""), token.path("id").asInt(-1));
                        }
                    }
                    default -> parser.skipChildren();
                }
            }
        }
    }

    private int id() {
        JsonNode adds = settings.path("add_bos_token");
        if (adds.isBoolean()) {
            return adds.asBoolean() ? token() : -1;
        }
        int first = first(postProcessor);
        if (first >= 0) {
            return inVocabulary(first);
        }
        return ADDING.contains(settings.path("tokenizer_class").asString("")) ? token() : -1;
    }

    /** The begin-of-sequence token's id. */
    private int token() {
        JsonNode token = settings.path("bos_token");
        String name = token.isObject() ? token.path("content").asString("") : token.asString("");
        int id = added.getOrDefault(name, config.bosId());
        if (id < 0) {
            throw new UnsupportedCheckpoint(
                    "tokenizer_config.json: add_bos_token asks for a token to begin with, and"
                            + " neither its bos_token nor config.json's bos_token_id is one; set"
                            + " add_bos_token to false if nothing begins a sequence");
        }
        return inVocabulary(id);
    }

    private int inVocabulary(int id) {
        if (id >= config.vocabulary()) {
            throw new UnsupportedCheckpoint(
                    "tokenizer.json: the id "
                            + id
                            + " that begins a sequence is not below config.json's vocab_size "
                            + config.vocabulary());
        }
        return id;
    }

    /** The id that a template puts before a text; -1 if none. */
    private static int first(JsonNode processor) {
        if (processor.path("type").asString("").equals("Sequence")) {
            int id = -1;
            for (JsonNode part : processor.path("processors")) {
                id = Math.max(id, first(part));
            }
            return id;
        }
        if (!processor.path("type").asString("").equals("TemplateProcessing")) {
            return -1;
        }
        String name = processor.path("single").path(0).path("SpecialToken").path("id").asString("");
        return processor.path("special_tokens").path(name).path("ids").path(0).asInt(-1);
    }
}
