package dev.aril.api;

import dev.aril.engine.GenerationEvent;
import dev.aril.engine.GenerationEvent.Failed;
import dev.aril.engine.GenerationEvent.Finished;
import dev.aril.engine.GenerationEvent.Text;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpResponse;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import tools.jackson.databind.node.ObjectNode;

/**
 * A generation's events as server-sent events, each flushed as it comes.
 *
 * <p>Ends with {@code data: [DONE]}, which says that the answer is whole and recorded. After a
 * failure in mid-stream, when the status has long been sent, an error event takes its place.
 */
final class TokenStream {
    private static final Logger LOG = LoggerFactory.getLogger(TokenStream.class);
    private static final String DONE = "data: [DONE]\n\n";
    private static final String PING = ": ping\n\n";

    /** Never sent: it marks the place where the pings end too. */
    private static final String END = "";

    private final WireFormat wire;
    private final boolean includeUsage;

    private TokenStream(WireFormat wire, boolean includeUsage) {
        this.wire = wire;
        this.includeUsage = includeUsage;
    }

    static Mono<Void> write(
            GenerationCall call,
            WireFormat wire,
            boolean includeUsage,
            Duration ping,
            ServerHttpResponse response) {
        TokenStream stream = new TokenStream(wire, includeUsage);
        response.getHeaders().setContentType(MediaType.TEXT_EVENT_STREAM);
        response.getHeaders().set(HttpHeaders.CACHE_CONTROL, "no-cache");
        // Proxies that buffer would turn a stream into one late answer.
        response.getHeaders().set("X-Accel-Buffering", "no");
        return response.writeAndFlushWith(
                withPings(stream.chunks(call), ping)
                        .map(chunk ->
                                Mono.just(
                                        response.bufferFactory()
                                                .wrap(chunk.getBytes(StandardCharsets.UTF_8)))));
    }

    private Flux<String> chunks(GenerationCall call) {
        return Flux.concat(
                        Mono.justOrEmpty(wire.first()).map(TokenStream::data),
                        call.events().concatMapIterable(this::chunks))
                .onErrorResume(error -> Mono.just(data(Problems.of(logged(error)).body())));
    }

    private Iterable<String> chunks(GenerationEvent event) {
        return switch (event) {
            case Text text -> List.of(data(wire.text(text.text())));
            case Finished end when includeUsage ->
                    List.of(data(wire.last(end.reason())), data(wire.usage(end.usage())), DONE);
            case Finished end -> List.of(data(wire.last(end.reason())), DONE);
            case Failed failed -> throw new GenerationFailed(failed.message());
        };
    }

    private static Throwable logged(Throwable error) {
        LOG.warn("a stream ended with an error: {}", error.toString());
        return error;
    }

    private static String data(ObjectNode node) {
        return "data: " + Json.text(node) + "\n\n";
    }

    private static Flux<String> withPings(Flux<String> chunks, Duration every) {
        Flux<String> pings = Flux.interval(every).onBackpressureDrop().map(tick -> PING);
        return Flux.merge(chunks.concatWithValues(END), pings)
                .takeWhile(chunk -> !chunk.equals(END));
    }
}
