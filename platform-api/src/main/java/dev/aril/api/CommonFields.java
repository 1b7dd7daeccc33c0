package dev.aril.api;

import dev.aril.engine.SamplingParams;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * What chat completions and completions have in common.
 *
 * @param maxTokens empty where the client left it to the server
 * @param n answers to each prompt
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
        Map<Integer, Float> logitBias,
        int n,
        boolean stream,
        boolean includeUsage) {
    /** Far above any context, far below where a sum of two overflows. */
    private static final int MOST_TOKENS = 1 << 24;

    /**
     * @param vocabulary the number of token ids
     * @param leastTokens that may be asked for: 0 where the prompt alone is an answer
     */
    static CommonFields read(RequestFields fields, int vocabulary, int leastTokens) {
        acceptWhatChangesNothing(fields);
        boolean stream = fields.flag("stream", false);
        OptionalInt maxTokens = fields.integer("max_tokens", leastTokens, MOST_TOKENS);
        OptionalInt newer = fields.integer("max_completion_tokens", leastTokens, MOST_TOKENS);
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
                logitBias(fields, vocabulary),
                fields.integer("n", 1, Order.MOST_CHOICES).orElse(1),
                stream,
                includeUsage(fields, stream));
    }

    /**
     * @param logprobs how many of the most likely ids are told; null for no logprobs
     * @param promptLogprobs whether the prompt's are told too
     */
    SamplingParams sampling(
            int otherwiseMaxTokens, @Nullable Integer logprobs, boolean promptLogprobs) {
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
                ignoreEos,
                logitBias,
                logprobs,
                promptLogprobs);
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

    /** {@code {"<token id>": bias}}, the ids as JSON's keys are: strings. */
    private static Map<Integer, Float> logitBias(RequestFields fields, int vocabulary) {
        JsonNode node = fields.value("logit_bias").orElse(null);
        if (node == null) {
            return Map.of();
        }
        if (!node.isObject() || node.size() > SamplingParams.MOST_BIASES) {
            throw fields.refuse(
                    "logit_bias",
                    "must be an object of at most "
                            + SamplingParams.MOST_BIASES
                            + " token ids and their biases");
        }
        Map<Integer, Float> biases = new HashMap<>();
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            String key = entry.getKey();
            int id = key.matches("0|[1-9][0-9]{0,8}") ? Integer.parseInt(key) : -1;
            if (id < 0 || id >= vocabulary) {
                throw fields.refuse(
                        "logit_bias",
                        "must have token ids from 0 to " + (vocabulary - 1) + " as keys");
            }
            double bias = entry.getValue().isNumber() ? entry.getValue().doubleValue() : Double.NaN;
            if (!(Math.abs(bias) <= 100)) {
                throw fields.refuse("logit_bias." + id, "must be a number from -100 to 100");
            }
            biases.put(id, (float) bias);
        }
        return biases;
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
