package dev.aril.api;

import java.time.Duration;
import java.util.UUID;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpHeaders;
import org.springframework.stereotype.Component;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import reactor.core.publisher.Mono;

/** The headers that OpenAI's clients look for, on every answer: refusals and streams too. */
@Component
@Order(Ordered.HIGHEST_PRECEDENCE)
final class DataPlaneHeaders implements WebFilter {
    static final String REQUEST_ID = "x-request-id";

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        long began = System.nanoTime();
        HttpHeaders headers = exchange.getResponse().getHeaders();
        headers.set(REQUEST_ID, "req_" + UUID.randomUUID().toString().replace("-", ""));
        headers.set("openai-version", "2020-10-01");
        exchange.getResponse()
                .beforeCommit(() -> {
                    long millis = Duration.ofNanos(System.nanoTime() - began).toMillis();
                    headers.set("openai-processing-ms", Long.toString(millis));
                    return Mono.empty();
                });
        return chain.filter(exchange);
    }
}
