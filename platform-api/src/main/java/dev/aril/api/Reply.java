package dev.aril.api;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpResponse;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * An answer on its way: server-sent events, or one JSON body.
 *
 * @param frames of a stream its events, each flushed as it comes; else the one body
 * @param headers further ones of the answer
 * @param abandon called when nobody reads the frames any more, whether they had ended or not
 */
record Reply(boolean stream, Flux<String> frames, Map<String, String> headers, Runnable abandon) {
    private static final String PING = ": ping\n\n";

    /** Never sent: it marks the place where the pings end too. */
    private static final String END = "";

    /**
     * @param ping how often a silent stream sends a comment
     */
    Mono<Void> write(ServerHttpResponse response, Duration ping) {
        headers.forEach(response.getHeaders()::set);
        Mono<Void> sent = stream ? writeStream(response, ping) : writeWhole(response);
        // A client may be gone before its first byte, when nobody has subscribed to the frames yet.
        return sent.doFinally(signal -> abandon.run());
    }

    private Mono<Void> writeStream(ServerHttpResponse response, Duration ping) {
        response.getHeaders().setContentType(MediaType.TEXT_EVENT_STREAM);
        response.getHeaders().set(HttpHeaders.CACHE_CONTROL, "no-cache");
        // Proxies that buffer would turn a stream into one late answer.
        response.getHeaders().set("X-Accel-Buffering", "no");
        return response.writeAndFlushWith(
                withPings(frames, ping)
                        .map(frame -> Mono.just(response.bufferFactory().wrap(bytes(frame)))));
    }

    private Mono<Void> writeWhole(ServerHttpResponse response) {
        response.getHeaders().setContentType(MediaType.APPLICATION_JSON);
        return response.writeWith(
                frames.map(body -> response.bufferFactory().wrap(bytes(body))).next());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Flux<String> withPings(Flux<String> frames, Duration every) {
        Flux<String> pings = Flux.interval(every).onBackpressureDrop().map(tick -> PING);
        return Flux.merge(frames.concatWithValues(END), pings)
                .takeWhile(frame -> !frame.equals(END));
    }
}
