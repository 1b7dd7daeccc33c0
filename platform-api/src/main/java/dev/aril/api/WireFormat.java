package dev.aril.api;

import dev.aril.engine.FinishReason;
import dev.aril.engine.Usage;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** How one answer's pieces look on the wire. */
sealed interface WireFormat {
    /** The request's field that holds the prompt. */
    String promptField();

    /** What comes before the first text of a stream. */
    Optional<ObjectNode> first();

    ObjectNode text(String text);

    ObjectNode last(FinishReason reason);

    ObjectNode usage(Usage usage);

    /** The whole answer at once. */
    ObjectNode whole(String text, FinishReason reason, Usage usage);

    /**
     * What every piece of an answer repeats.
     *
     * @param created seconds since 1970
     * @param streamUsage whether a stream has a usage chunk; then all other chunks say null
     */
    record Head(String id, String model, long created, boolean streamUsage) {
        private ObjectNode start(String object) {
            return JsonNodeFactory.instance
                    .objectNode()
                    .put("id", id)
                    .put("object", object)
                    .put("created", created)
                    .put("model", model);
        }

        private ObjectNode end(ObjectNode chunk) {
            if (streamUsage) {
                chunk.putNull("usage");
            }
            return chunk;
        }

        private ObjectNode usage(String object, Usage usage) {
            ObjectNode chunk = start(object);
            chunk.putArray("choices");
            put(chunk, usage);
            return chunk;
        }

        private static void put(ObjectNode answer, Usage usage) {
            ObjectNode node =
                    answer.putObject("usage")
                            .put("prompt_tokens", usage.promptTokens())
                            .put("completion_tokens", usage.completionTokens())
                            .put("total_tokens", usage.totalTokens());
            node.putObject("prompt_tokens_details").put("cached_tokens", 0);
            node.putObject("completion_tokens_details").put("reasoning_tokens", 0);
        }
    }

    private static @Nullable String name(@Nullable FinishReason reason) {
        return reason == null ? null : reason.name().toLowerCase(Locale.ROOT);
    }

    /** {@code chat.completion} and its chunks. */
    record Chat(Head head) implements WireFormat {
        private static final String CHUNK = "chat.completion.chunk";

        @Override
        public String promptField() {
            return "messages";
        }

        @Override
        public Optional<ObjectNode> first() {
            return Optional.of(chunk("assistant", "", null));
        }

        @Override
        public ObjectNode text(String text) {
            return chunk(null, text, null);
        }

        @Override
        public ObjectNode last(FinishReason reason) {
            return chunk(null, null, reason);
        }

        @Override
        public ObjectNode usage(Usage usage) {
            return head.usage(CHUNK, usage);
        }

        @Override
        public ObjectNode whole(String text, FinishReason reason, Usage usage) {
            ObjectNode answer = head.start("chat.completion");
            ObjectNode choice = answer.putArray("choices").addObject().put("index", 0);
            choice.putObject("message")
                    .put("role", "assistant")
                    .put("content", text)
                    .putNull("refusal");
            choice.putNull("logprobs").put("finish_reason", name(reason));
            Head.put(answer, usage);
            return answer;
        }

        private ObjectNode chunk(
                @Nullable String role, @Nullable String content, @Nullable FinishReason reason) {
            ObjectNode chunk = head.start(CHUNK);
            ObjectNode choice = chunk.putArray("choices").addObject().put("index", 0);
            ObjectNode delta = choice.putObject("delta");
            if (role != null) {
                delta.put("role", role);
            }
            if (content != null) {
                delta.put("content", content);
            }
            choice.putNull("logprobs").put("finish_reason", name(reason));
            return head.end(chunk);
        }
    }

    /** {@code text_completion}, whole or in chunks. */
    record Text(Head head) implements WireFormat {
        private static final String OBJECT = "text_completion";

        @Override
        public String promptField() {
            return "prompt";
        }

        @Override
        public Optional<ObjectNode> first() {
            return Optional.empty();
        }

        @Override
        public ObjectNode text(String text) {
            return head.end(answer(text, null));
        }

        @Override
        public ObjectNode last(FinishReason reason) {
            return head.end(answer("", reason));
        }

        @Override
        public ObjectNode usage(Usage usage) {
            return head.usage(OBJECT, usage);
        }

        @Override
        public ObjectNode whole(String text, FinishReason reason, Usage usage) {
            ObjectNode answer = answer(text, reason);
            Head.put(answer, usage);
            return answer;
        }

        private ObjectNode answer(String text, @Nullable FinishReason reason) {
            ObjectNode answer = head.start(OBJECT);
            answer.putArray("choices")
                    .addObject()
                    .put("text", text)
                    .put("index", 0)
                    .putNull("logprobs")
                    .put("finish_reason", name(reason));
            return answer;
        }
    }
}
