package dev.aril.api;

import dev.aril.engine.ChatMessage;
import dev.aril.engine.SamplingParams;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The body of {@code POST /v1/chat/completions}.
 *
 * @param logprobs how many of the most likely ids are told; null for no logprobs
 */
record ChatRequest(List<ChatMessage> messages, CommonFields common, @Nullable Integer logprobs) {
    private static final Set<String> ROLES = Set.of("system", "user", "assistant");

    /**
     * @param vocabulary the number of token ids
     */
    static ChatRequest read(byte @Nullable [] body, int vocabulary) {
        RequestFields fields = new RequestFields(Json.object(body));
        fields.unsupported(
                "tools",
                "tool_choice",
                "parallel_tool_calls",
                "functions",
                "function_call",
                "audio",
                "modalities",
                "prediction",
                "reasoning_effort",
                "verbosity",
                "web_search_options");
        boolean logprobs = fields.flag("logprobs", false);
        int top = fields.integer("top_logprobs", 0, SamplingParams.MOST_LOGPROBS).orElse(0);
        if (top > 0 && !logprobs) {
            throw fields.refuse("top_logprobs", "needs \"logprobs\": true");
        }
        responseFormat(fields);
        List<ChatMessage> messages = new ArrayList<>();
        for (RequestFields message : fields.requiredList("messages")) {
            messages.add(message(message));
        }
        ChatRequest request =
                new ChatRequest(
                        messages,
                        CommonFields.read(fields, vocabulary, 1),
                        logprobs ? (Integer) top : null);
        fields.refuseOthers();
        return request;
    }

    private static void responseFormat(RequestFields fields) {
        Optional<RequestFields> format = fields.fields("response_format");
        if (format.isPresent()) {
            if (!format.get().requiredText("type").equals("text")) {
                throw fields.unsupported(
                        "response_format", "must be {\"type\": \"text\"} on this server");
            }
            format.get().refuseOthers();
        }
    }

    private static ChatMessage message(RequestFields message) {
        String role = message.requiredText("role");
        if (!ROLES.contains(role)) {
            throw message.refuse("role", "must be system, user or assistant");
        }
        // An assistant's message of an earlier answer comes back with these, all null.
        message.unsupported(
                "name",
                "refusal",
                "tool_calls",
                "tool_call_id",
                "function_call",
                "audio",
                "annotations");
        ChatMessage read = new ChatMessage(role, content(message));
        message.refuseOthers();
        return read;
    }

    /** A string, or an array of {@code {"type":"text","text":…}} whose texts are joined. */
    private static String content(RequestFields message) {
        JsonNode content = message.required("content");
        if (content.isString()) {
            return RequestFields.text(message.path("content"), content);
        }
        if (!content.isArray()) {
            throw message.refuse("content", "must be a string or an array of text parts");
        }
        StringBuilder text = new StringBuilder();
        for (RequestFields part : message.requiredList("content")) {
            if (!part.requiredText("type").equals("text")) {
                throw part.unsupported("type", "must be text: this server reads nothing else");
            }
            text.append(part.requiredText("text"));
            part.refuseOthers();
        }
        return text.toString();
    }
}
