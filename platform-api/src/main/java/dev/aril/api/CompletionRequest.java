package dev.aril.api;

import dev.aril.engine.Engine;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** The body of {@code POST /v1/completions}. */
record CompletionRequest(Prompt prompt, CommonFields common) {
    /** What the completion goes on from. */
    sealed interface Prompt {
        int[] ids(Engine engine);
    }

    record Text(String text) implements Prompt {
        @Override
        public int[] ids(Engine engine) {
            return engine.tokenize(text);
        }
    }

    record Ids(int[] ids) implements Prompt {
        @Override
        public int[] ids(Engine engine) {
            return ids;
        }
    }

    /**
     * @param vocabulary the number of token ids
     */
    static CompletionRequest read(byte @Nullable [] body, int vocabulary) {
        RequestFields fields = new RequestFields(Json.object(body));
        fields.unsupported("suffix");
        if (fields.flag("echo", false)) {
            throw fields.unsupported("echo", "must be false: this server returns no prompts");
        }
        if (fields.integer("best_of", 0, 20).orElse(1) != 1) {
            throw fields.unsupported(
                    "best_of", "must be 1: this server gives one answer a request");
        }
        CompletionRequest request =
                new CompletionRequest(
                        prompt(fields, fields.required("prompt"), vocabulary),
                        CommonFields.read(fields, vocabulary));
        fields.refuseOthers();
        return request;
    }

    /** A string or an array of token ids; an array of just one of these is that one. */
    private static Prompt prompt(RequestFields fields, JsonNode node, int vocabulary) {
        boolean many =
                node.isArray()
                        && !node.isEmpty()
                        && (node.get(0).isString() || node.get(0).isArray());
        if (many && node.size() > 1) {
            throw fields.unsupported(
                    "prompt", "must be one prompt: send a request for each of several");
        }
        JsonNode one = many ? node.get(0) : node;
        if (one.isString()) {
            return new Text(RequestFields.text("prompt", one));
        }
        if (!one.isArray() || one.isEmpty()) {
            throw fields.refuse("prompt", "must be a string or a non-empty array of token ids");
        }
        return new Ids(CommonFields.tokenIds("prompt", one, vocabulary));
    }
}
