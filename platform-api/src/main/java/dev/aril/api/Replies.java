package dev.aril.api;

import dev.aril.engine.Engine;
import java.time.Clock;
import java.util.UUID;
import java.util.concurrent.Callable;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.stereotype.Component;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

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

    private final Generations generations;
    private final Engine engine;
    private final Blocking blocking;
    private final ApiSettings settings;
    private final Clock clock;

    Replies(
            Generations generations,
            Engine engine,
            Blocking blocking,
            ApiSettings settings,
            Clock clock) {
        this.generations = generations;
        this.engine = engine;
        this.blocking = blocking;
        this.settings = settings;
        this.clock = clock;
    }

    /**
     * @param understanding reads the request, on a virtual thread
     */
    Mono<Void> answer(Dialect dialect, Callable<Order> understanding, ServerHttpResponse response) {
        return blocking.call(() -> generations.prepare(understanding))
                .flatMap(order -> reply(dialect, id(dialect), order))
                .flatMap(reply -> reply.write(response, settings.ping()));
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
                    return new Reply(order.stream(), frames, call.headroom(), call::abandon);
                });
    }
}
