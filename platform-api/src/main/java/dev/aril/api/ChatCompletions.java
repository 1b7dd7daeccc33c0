package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.tenancy.Bearer;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.http.MediaType;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestAttribute;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/** POST /v1/chat/completions: the main path, in order. */
@RestController
final class ChatCompletions {
    private final Engine engine;
    private final ServedModels models;
    private final Replies replies;

    ChatCompletions(Engine engine, ServedModels models, Replies replies) {
        this.engine = engine;
        this.models = models;
        this.replies = replies;
    }

    @PostMapping(path = "/v1/chat/completions", consumes = MediaType.APPLICATION_JSON_VALUE)
    Mono<Void> complete(
            @RequestAttribute(ApiKeyGate.BEARER) Bearer bearer,
            @RequestBody(required = false) byte @Nullable [] body,
            ServerWebExchange exchange) {
        return replies.answer(
                Replies.Dialect.CHAT,
                bearer,
                body,
                () -> {
                    ChatRequest chat = ChatRequest.read(body, engine.model().vocabulary());
                    ServedModel model = models.resolve(bearer.tenant(), chat.common().model());
                    int[] prompt = prompt(chat);
                    // Without a limit of its own an answer may fill the context.
                    int rest = Math.max(1, engine.model().contextLength() - prompt.length);
                    return new Order(
                            bearer,
                            model,
                            List.of(new Order.Prompt(prompt, null)),
                            chat.common().n(),
                            chat.common().sampling(rest, chat.logprobs(), false),
                            chat.common().stream(),
                            chat.common().includeUsage());
                },
                exchange);
    }

    private int[] prompt(ChatRequest chat) {
        try {
            return engine.tokenize(chat.messages());
        } catch (IllegalArgumentException refusedByTheTemplate) {
            throw RequestFields.invalid("messages", refusedByTheTemplate.getMessage());
        }
    }
}
