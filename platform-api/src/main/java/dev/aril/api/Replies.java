package dev.aril.api;

import dev.aril.engine.SamplingParams;
import dev.aril.tenancy.Tenant;
import java.time.Clock;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.stereotype.Component;
import reactor.core.publisher.Mono;

/** Has a generation made and sends it as the client wants it: as a stream or whole. */
@Component
final class Replies {
    /**
     * A request that has been understood.
     *
     * @param prompt token ids
     * @param includeUsage whether a stream ends with a chunk of usage
     */
    record Order(
            Tenant tenant,
            ServedModel model,
            int[] prompt,
            SamplingParams sampling,
            boolean stream,
            boolean includeUsage) {}

    private final Generations generations;
    private final Blocking blocking;
    private final ApiSettings settings;
    private final Clock clock;

    Replies(Generations generations, Blocking blocking, ApiSettings settings, Clock clock) {
        this.generations = generations;
        this.blocking = blocking;
        this.settings = settings;
        this.clock = clock;
    }

    /**
     * @param understanding reads the request, on a virtual thread
     */
    Mono<Void> chat(Callable<Order> understanding, ServerHttpResponse response) {
        return blocking.call(() -> generations.prepare(understanding))
                .flatMap(order -> reply(order, "chatcmpl-", WireFormat.Chat::new, response));
    }

    /**
     * @param understanding reads the request, on a virtual thread
     */
    Mono<Void> text(Callable<Order> understanding, ServerHttpResponse response) {
        return blocking.call(() -> generations.prepare(understanding))
                .flatMap(order -> reply(order, "cmpl-", WireFormat.Text::new, response));
    }

    /** Refusals of the engine are thrown here, before anything is sent. */
    private Mono<Void> reply(
            Order order,
            String prefix,
            Function<WireFormat.Head, WireFormat> format,
            ServerHttpResponse response) {
        String id = prefix + UUID.randomUUID().toString().replace("-", "");
        WireFormat wire =
                format.apply(
                        new WireFormat.Head(
                                id,
                                order.model().name(),
                                clock.instant().getEpochSecond(),
                                order.includeUsage()));
        GenerationCall call =
                generations.start(
                        id,
                        order.tenant(),
                        order.model(),
                        order.prompt(),
                        order.sampling(),
                        wire.promptField());
        Mono<Void> sent =
                order.stream()
                        ? TokenStream.write(
                                call, wire, order.includeUsage(), settings.ping(), response)
                        : Answer.write(call, wire, response);
        // A client may be gone before its first byte, when nobody has subscribed to the events yet.
        return sent.doFinally(signal -> call.abandon());
    }
}
