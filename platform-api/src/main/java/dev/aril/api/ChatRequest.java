package dev.aril.api;

import dev.aril.engine.ChatMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** The body of {@code POST /v1/chat/completions}. */
record ChatRequest(List<ChatMessage> messages, CommonFields common) {
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
        if (fields.integer("top_logprobs", 0, 20).orElse(0) != 0) {
            throw fields.unsupported("top_logprobs", "is not supported by this server");
        }
        responseFormat(fields);
        List<ChatMessage> messages = new ArrayList<>();
        for (RequestFields message : fields.requiredList("messages")) {
            messages.add(message(message));
        }
        ChatRequest request = new ChatRequest(messages, CommonFields.read(fields, vocabulary));
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
