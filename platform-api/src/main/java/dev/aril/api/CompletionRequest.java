package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.engine.SamplingParams;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The body of {@code POST /v1/completions}.
 *
 * @param prompts at least one
 * @param echo whether the answers begin with their prompts
 * @param logprobs how many of the most likely ids are told; null for no logprobs
 */
record CompletionRequest(
        List<Prompt> prompts, boolean echo, CommonFields common, @Nullable Integer logprobs) {
    /** What a completion goes on from. */
    sealed interface Prompt {
        int[] ids(Engine engine);

        String text(Engine engine);
    }

    record Text(String text) implements Prompt {
        @Override
        public int[] ids(Engine engine) {
            return engine.tokenize(text);
        }

        @Override
        public String text(Engine engine) {
            return text;
        }
    }

    record Ids(int[] ids) implements Prompt {
        @Override
        public int[] ids(Engine engine) {
            return ids;
        }

        @Override
        public String text(Engine engine) {
            return engine.text(ids);
        }
    }

    /**
     * @param vocabulary the number of token ids
     */
    static CompletionRequest read(byte @Nullable [] body, int vocabulary) {
        RequestFields fields = new RequestFields(Json.object(body));
        fields.unsupported("suffix");
        boolean echo = fields.flag("echo", false);
        OptionalInt logprobs = fields.integer("logprobs", 0, SamplingParams.MOST_LOGPROBS);
        List<Prompt> prompts = prompts(fields, fields.required("prompt"), vocabulary);
        CommonFields common = CommonFields.read(fields, vocabulary, echo ? 0 : 1);
        if (fields.integer("best_of", 0, 20).orElse(common.n()) != common.n()) {
            throw fields.unsupported(
                    "best_of", "must equal n: this server returns every answer that it makes");
        }
        if (prompts.size() * common.n() > Order.MOST_CHOICES) {
            throw fields.refuse(
                    "n",
                    "times the number of prompts must be at most "
                            + Order.MOST_CHOICES
                            + "; send fewer prompts in a request");
        }
        fields.refuseOthers();
        return new CompletionRequest(
                prompts, echo, common, logprobs.isPresent() ? (Integer) logprobs.getAsInt() : null);
    }

    /** The prompts, as the engine takes them. */
    List<Order.Prompt> prompts(Engine engine) {
        List<Order.Prompt> read = new ArrayList<>();
        for (Prompt prompt : prompts) {
            int[] ids = prompt.ids(engine);
            if (ids.length == 0) {
                throw RequestFields.invalid(
                        "prompt",
                        "'prompt' is empty, and this model begins no sequence by itself: send some"
                                + " text.");
            }
            read.add(new Order.Prompt(ids, echo ? prompt.text(engine) : null));
        }
        return read;
    }

    /** A string, an array of token ids, or an array of at least one of these. */
    private static List<Prompt> prompts(RequestFields fields, JsonNode node, int vocabulary) {
        boolean many =
                node.isArray()
                        && !node.isEmpty()
                        && (node.get(0).isString() || node.get(0).isArray());
        if (!many) {
            return List.of(prompt(fields, "prompt", node, vocabulary));
        }
        if (node.size() > Order.MOST_CHOICES) {
            throw fields.refuse(
                    "prompt",
                    "must be at most "
                            + Order.MOST_CHOICES
                            + " prompts; send the others in further requests");
        }
        List<Prompt> prompts = new ArrayList<>();
        for (int i = 0; i < node.size(); i++) {
            prompts.add(prompt(fields, "prompt[" + i + "]", node.get(i), vocabulary));
        }
        return prompts;
    }

    private static Prompt prompt(RequestFields fields, String name, JsonNode node, int vocabulary) {
        if (node.isString()) {
            return new Text(RequestFields.text(name, node));
        }
        if (!node.isArray() || node.isEmpty()) {
            throw fields.refuse(name, "must be a string or a non-empty array of token ids");
        }
        return new Ids(CommonFields.tokenIds(name, node, vocabulary));
    }
}
