package dev.aril.api;

import dev.aril.engine.SamplingParams;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * What chat completions and completions have in common.
 *
 * @param maxTokens empty where the client left it to the server
 * @param includeUsage whether a stream ends with a chunk of usage
 */
record CommonFields(
        String model,
        OptionalInt maxTokens,
        double temperature,
        double topP,
        int topK,
        double minP,
        @Nullable Long seed,
        double repetitionPenalty,
        double presencePenalty,
        double frequencyPenalty,
        List<String> stop,
        Set<Integer> stopIds,
        boolean ignoreEos,
        boolean stream,
        boolean includeUsage) {
    /** Far above any context, far below where a sum of two overflows. */
    private static final int MOST_TOKENS = 1 << 24;

    /**
     * @param vocabulary the number of token ids
     */
    static CommonFields read(RequestFields fields, int vocabulary) {
        refuseWhatIsOne(fields);
        acceptWhatChangesNothing(fields);
        boolean stream = fields.flag("stream", false);
        OptionalInt maxTokens = fields.integer("max_tokens", 1, MOST_TOKENS);
        OptionalInt newer = fields.integer("max_completion_tokens", 1, MOST_TOKENS);
        return new CommonFields(
                fields.requiredText("model"),
                newer.isPresent() ? newer : maxTokens,
                fields.number("temperature", 1, 0, 2),
                fields.positive("top_p", 1, 1),
                // -1 is how vLLM's clients write "off".
                Math.max(0, fields.integer("top_k", -1, Integer.MAX_VALUE).orElse(0)),
                fields.number("min_p", 0, 0, 1),
                fields.wholeNumber("seed"),
                fields.positive("repetition_penalty", 1, 10),
                fields.number("presence_penalty", 0, -2, 2),
                fields.number("frequency_penalty", 0, -2, 2),
                stop(fields),
                stopIds(fields, vocabulary),
                fields.flag("ignore_eos", false),
                stream,
                includeUsage(fields, stream));
    }

    SamplingParams sampling(int otherwiseMaxTokens) {
        return new SamplingParams(
                maxTokens.orElse(otherwiseMaxTokens),
                temperature,
                topP,
                topK,
                minP,
                seed,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                stop,
                stopIds,
                ignoreEos);
    }

    /** One answer, without probabilities, is all that is given. */
    private static void refuseWhatIsOne(RequestFields fields) {
        if (fields.integer("n", 1, 128).orElse(1) != 1) {
            throw fields.unsupported("n", "must be 1: this server gives one answer a request");
        }
        Optional<JsonNode> logprobs = fields.value("logprobs");
        if (logprobs.isPresent()
                && !(logprobs.get().isBoolean() && !logprobs.get().booleanValue())) {
            throw fields.unsupported("logprobs", "is not supported by this server; leave it out");
        }
        fields.unsupported("logit_bias");
    }

    /** Tags and hints that other servers use for billing and routing; none changes an answer. */
    private static void acceptWhatChangesNothing(RequestFields fields) {
        fields.text("user");
        fields.text("safety_identifier");
        fields.text("prompt_cache_key");
        Optional<JsonNode> metadata = fields.value("metadata");
        if (metadata.isPresent() && !metadata.get().isObject()) {
            throw fields.refuse("metadata", "must be an object");
        }
        if (fields.flag("store", false)) {
            throw fields.unsupported("store", "must be false: this server stores no answers");
        }
        String tier = fields.text("service_tier").orElse("auto");
        if (!tier.equals("auto") && !tier.equals("default")) {
            throw fields.unsupported("service_tier", "must be auto or default");
        }
    }

    private static List<String> stop(RequestFields fields) {
        JsonNode node = fields.value("stop").orElse(null);
        if (node == null) {
            return List.of();
        }
        List<String> stop = new ArrayList<>();
        if (node.isString()) {
            stop.add(RequestFields.text("stop", node));
        } else if (node.isArray() && node.size() <= SamplingParams.MAX_STOP_STRINGS) {
            for (int i = 0; i < node.size(); i++) {
                stop.add(RequestFields.text("stop[" + i + "]", node.get(i)));
            }
        }
        if (stop.isEmpty() || stop.contains("")) {
            throw fields.refuse(
                    "stop",
                    "must be a non-empty string or an array of 1 to "
                            + SamplingParams.MAX_STOP_STRINGS
                            + " of them");
        }
        return stop;
    }

    private static Set<Integer> stopIds(RequestFields fields, int vocabulary) {
        Set<Integer> ids = new HashSet<>();
        JsonNode node = fields.value("stop_token_ids").orElse(null);
        for (int id : tokenIds("stop_token_ids", node, vocabulary)) {
            ids.add(id);
        }
        return ids;
    }

    /** An array of ids of the vocabulary; empty for null. */
    static int[] tokenIds(String name, @Nullable JsonNode node, int vocabulary) {
        if (node == null) {
            return new int[0];
        }
        if (!node.isArray()) {
            throw RequestFields.invalid(name, "'" + name + "' must be an array of token ids.");
        }
        int[] ids = new int[node.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] =
                    (int)
                            RequestFields.integer(
                                    name + "[" + i + "]", node.get(i), 0, vocabulary - 1);
        }
        return ids;
    }

    private static boolean includeUsage(RequestFields fields, boolean stream) {
        RequestFields options = fields.fields("stream_options").orElse(null);
        if (options == null) {
            return false;
        }
        if (!stream) {
            throw fields.refuse("stream_options", "is only allowed with \"stream\": true");
        }
        boolean includeUsage = options.flag("include_usage", false);
        if (options.flag("include_obfuscation", false)) {
            throw options.unsupported("include_obfuscation", "must be false");
        }
        options.refuseOthers();
        return includeUsage;
    }
}
