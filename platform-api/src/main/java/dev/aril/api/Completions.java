package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.tenancy.Bearer;
import org.jspecify.annotations.Nullable;
import org.springframework.http.MediaType;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestAttribute;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/** POST /v1/completions: as {@link ChatCompletions}, from a plain prompt. */
@RestController
final class Completions {
    /** OpenAI's default. */
    private static final int MAX_TOKENS = 16;

    private final Engine engine;
    private final ServedModels models;
    private final Replies replies;

    Completions(Engine engine, ServedModels models, Replies replies) {
        this.engine = engine;
        this.models = models;
        this.replies = replies;
    }

    @PostMapping(path = "/v1/completions", consumes = MediaType.APPLICATION_JSON_VALUE)
    Mono<Void> complete(
            @RequestAttribute(ApiKeyGate.BEARER) Bearer bearer,
            @RequestBody(required = false) byte @Nullable [] body,
            ServerWebExchange exchange) {
        return replies.answer(
                Replies.Dialect.TEXT,
                bearer,
                body,
                () -> {
                    CompletionRequest request =
                            CompletionRequest.read(body, engine.model().vocabulary());
                    ServedModel model = models.resolve(bearer.tenant(), request.common().model());
                    boolean scored = request.echo() && request.logprobs() != null;
                    return new Order(
                            bearer,
                            model,
                            request.prompts(engine),
                            request.common().n(),
                            request.common().sampling(MAX_TOKENS, request.logprobs(), scored),
                            request.common().stream(),
                            request.common().includeUsage());
                },
                exchange);
    }
}
