package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.engine.FinishReason;
import dev.aril.engine.Usage;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** How one answer's pieces look on the wire. */
sealed interface WireFormat {
    /** The request's field that holds the prompt. */
    String promptField();

    /** What comes before the first text of a choice's stream; null for nothing. */
    @Nullable ObjectNode first(int choice);

    /** The next text of a choice's stream. */
    ObjectNode text(int choice, String text, @Nullable ObjectNode logprobs);

    ObjectNode last(int choice, FinishReason reason);

    ObjectNode usage(Usage usage);

    /** The whole answer at once. */
    ObjectNode whole(List<Choice> choices, Usage usage);

    LogprobFormat logprobs(int choice, Engine engine);

    /**
     * A choice that is finished.
     *
     * @param text without what it echoes
     */
    record Choice(String text, @Nullable ObjectNode logprobs, FinishReason reason) {}

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

    private static void end(
            ObjectNode choice, @Nullable ObjectNode logprobs, @Nullable FinishReason reason) {
        if (logprobs == null) {
            choice.putNull("logprobs");
        } else {
            choice.set("logprobs", logprobs);
        }
        choice.put("finish_reason", name(reason));
    }

    /** {@code chat.completion} and its chunks. */
    record Chat(Head head) implements WireFormat {
        private static final String CHUNK = "chat.completion.chunk";

        @Override
        public String promptField() {
            return "messages";
        }

        @Override
        public ObjectNode first(int choice) {
            return chunk(choice, "assistant", "", null, null);
        }

        @Override
        public ObjectNode text(int choice, String text, @Nullable ObjectNode logprobs) {
            return chunk(choice, null, text, logprobs, null);
        }

        @Override
        public ObjectNode last(int choice, FinishReason reason) {
            return chunk(choice, null, null, null, reason);
        }

        @Override
        public ObjectNode usage(Usage usage) {
            return head.usage(CHUNK, usage);
        }

        @Override
        public ObjectNode whole(List<Choice> choices, Usage usage) {
            ObjectNode answer = head.start("chat.completion");
            ArrayNode list = answer.putArray("choices");
            for (int i = 0; i < choices.size(); i++) {
                Choice choice = choices.get(i);
                ObjectNode node = list.addObject().put("index", i);
                node.putObject("message")
                        .put("role", "assistant")
                        .put("content", choice.text())
                        .putNull("refusal");
                WireFormat.end(node, choice.logprobs(), choice.reason());
            }
            Head.put(answer, usage);
            return answer;
        }

        @Override
        public LogprobFormat logprobs(int choice, Engine engine) {
            return new LogprobFormat.Chat(engine);
        }

        private ObjectNode chunk(
                int index,
                @Nullable String role,
                @Nullable String content,
                @Nullable ObjectNode logprobs,
                @Nullable FinishReason reason) {
            ObjectNode chunk = head.start(CHUNK);
            ObjectNode choice = chunk.putArray("choices").addObject().put("index", index);
            ObjectNode delta = choice.putObject("delta");
            if (role != null) {
                delta.put("role", role);
            }
            if (content != null) {
                delta.put("content", content);
            }
            WireFormat.end(choice, logprobs, reason);
            return head.end(chunk);
        }
    }

    /**
     * {@code text_completion}, whole or in chunks.
     *
     * @param order has what choices echo
     */
    record Text(Head head, Order order) implements WireFormat {
        private static final String OBJECT = "text_completion";

        @Override
        public String promptField() {
            return "prompt";
        }

        /** The prompt, where it is echoed; with logprobs it waits for these. */
        @Override
        public @Nullable ObjectNode first(int choice) {
            String echo = order.prompt(choice).echo();
            return echo == null || order.sampling().promptLogprobs()
                    ? null
                    : text(choice, echo, null);
        }

        @Override
        public ObjectNode text(int choice, String text, @Nullable ObjectNode logprobs) {
            return head.end(answer(choice, text, logprobs, null));
        }

        @Override
        public ObjectNode last(int choice, FinishReason reason) {
            return head.end(answer(choice, "", null, reason));
        }

        @Override
        public ObjectNode usage(Usage usage) {
            return head.usage(OBJECT, usage);
        }

        @Override
        public ObjectNode whole(List<Choice> choices, Usage usage) {
            ObjectNode answer = head.start(OBJECT);
            ArrayNode list = answer.putArray("choices");
            for (int i = 0; i < choices.size(); i++) {
                Choice choice = choices.get(i);
                String echo = order.prompt(i).echo();
                String text = echo == null ? choice.text() : echo + choice.text();
                put(list.addObject(), i, text, choice.logprobs(), choice.reason());
            }
            Head.put(answer, usage);
            return answer;
        }

        @Override
        public LogprobFormat logprobs(int choice, Engine engine) {
            Order.Prompt prompt = order.prompt(choice);
            boolean opens = prompt.echo() != null || engine.text(prompt.ids()).isEmpty();
            return new LogprobFormat.Completion(engine, opens);
        }

        private ObjectNode answer(
                int index,
                String text,
                @Nullable ObjectNode logprobs,
                @Nullable FinishReason reason) {
            ObjectNode answer = head.start(OBJECT);
            put(answer.putArray("choices").addObject(), index, text, logprobs, reason);
            return answer;
        }

        private static void put(
                ObjectNode choice,
                int index,
                String text,
                @Nullable ObjectNode logprobs,
                @Nullable FinishReason reason) {
            choice.put("text", text).put("index", index);
            WireFormat.end(choice, logprobs, reason);
        }
    }
}
