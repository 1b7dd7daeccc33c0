package dev.aril.admin;

import java.time.Duration;
import java.time.InstantSource;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import reactor.core.publisher.Mono;

/** Ends a session that began too long ago, however busy it is. */
final class SessionAge implements WebFilter {
    private final Duration most;
    private final InstantSource clock;

    SessionAge(Duration most, InstantSource clock) {
        this.most = most;
        this.clock = clock;
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        return exchange.getSession()
                .flatMap(session ->
                        session.isStarted()
                                        && session.getCreationTime()
                                                .plus(most)
                                                .isBefore(clock.instant())
                                ? session.invalidate()
                                : Mono.empty())
                .then(chain.filter(exchange));
    }
}
