package dev.aril.api;

import dev.aril.api.IdempotentAnswers.Slot;
import dev.aril.engine.Engine;
import dev.aril.tenancy.Bearer;
import java.time.Clock;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.stereotype.Component;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import tools.jackson.databind.node.ObjectNode;

/** Has an answer made and sends it as the client wants it: as a stream or whole. */
@Component
final class Replies {
    /** Which of the two interfaces is spoken. */
    enum Dialect {
        CHAT("chatcmpl-"),
        TEXT("cmpl-");

        private final String prefix;

        Dialect(String prefix) {
            this.prefix = prefix;
        }

        WireFormat format(WireFormat.Head head, Order order) {
            return switch (this) {
                case CHAT -> new WireFormat.Chat(head);
                case TEXT -> new WireFormat.Text(head, order);
            };
        }
    }

    static final String IDEMPOTENCY_KEY = "Idempotency-Key";

    private static final Pattern NAME = Pattern.compile("[ -~]{1,255}");

    private final Generations generations;
    private final Idempotency idempotency;
    private final Engine engine;
    private final Blocking blocking;
    private final ApiSettings settings;
    private final Clock clock;

    Replies(
            Generations generations,
            Idempotency idempotency,
            Engine engine,
            Blocking blocking,
            ApiSettings settings,
            Clock clock) {
        this.generations = generations;
        this.idempotency = idempotency;
        this.engine = engine;
        this.blocking = blocking;
        this.settings = settings;
        this.clock = clock;
    }

    /**
     * @param body of the request
     * @param understanding reads it, on a virtual thread
     */
    Mono<Void> answer(
            Dialect dialect,
            Bearer bearer,
            byte @Nullable [] body,
            Callable<Order> understanding,
            ServerWebExchange exchange) {
        List<String> names = exchange.getRequest().getHeaders().getOrEmpty(IDEMPOTENCY_KEY);
        Mono<Reply> reply =
                names.isEmpty()
                        ? make(dialect, id(dialect), understanding)
                        : once(
                                dialect,
                                new Slot(bearer.tenant().id(), bearer.keyId(), name(names)),
                                body,
                                understanding,
                                exchange);
        return reply.flatMap(made -> made.write(exchange.getResponse(), settings.ping()));
    }

    private Mono<Reply> once(
            Dialect dialect,
            Slot slot,
            byte @Nullable [] body,
            Callable<Order> understanding,
            ServerWebExchange exchange) {
        ObjectNode object = Json.object(body);
        return idempotency.once(
                slot,
                RequestHash.of(exchange.getRequest().getPath().value(), object),
                object.path("stream").asBoolean(false),
                id(dialect),
                id -> make(dialect, id, understanding));
    }

    private static String name(List<String> names) {
        if (names.size() != 1 || !NAME.matcher(names.getFirst()).matches()) {
            throw new Refusal(Problems.malformedKey());
        }
        return names.getFirst();
    }

    private Mono<Reply> make(Dialect dialect, String id, Callable<Order> understanding) {
        return blocking.call(() -> generations.prepare(understanding))
                .flatMap(order -> reply(dialect, id, order));
    }

    private static String id(Dialect dialect) {
        return dialect.prefix + UUID.randomUUID().toString().replace("-", "");
    }

    /** Refusals come before anything is sent. */
    private Mono<Reply> reply(Dialect dialect, String id, Order order) {
        WireFormat wire =
                dialect.format(
                        new WireFormat.Head(
                                id,
                                order.model().name(),
                                clock.instant().getEpochSecond(),
                                order.includeUsage()),
                        order);
        return generations
                .start(id, order, wire.promptField())
                .map(call -> {
                    Flux<String> frames =
                            order.stream()
                                    ? TokenStream.of(call, order, wire, engine)
                                    : Answer.of(call, wire, engine).flux();
                    return new Reply(
                            order.stream(),
                            frames,
                            RateLimitHeaders.of(call.headroom()),
                            call::abandon);
                });
    }
}
