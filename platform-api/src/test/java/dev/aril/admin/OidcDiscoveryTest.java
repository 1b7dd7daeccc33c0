package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import io.github.resilience4j.circuitbreaker.CallNotPermittedException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.springframework.web.reactive.function.client.WebClientResponseException;
import reactor.core.publisher.Mono;

class OidcDiscoveryTest {
    @Test
    void anIssuerIsAskedOnSubscription() {
        OidcIssuer issuer = new OidcIssuer();
        OidcDiscovery found = OidcDiscovery.of(issuer.url()).block();
        assertThat(found)
                .isEqualTo(
                        new OidcDiscovery(
                                issuer.url() + "/authorize",
                                issuer.url() + "/token",
                                issuer.url() + "/keys"));
    }

    @Test
    void anIssuerThatFailsIsLeftAloneForAWhile() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        HttpServer broken =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        broken.createContext(
                "/",
                exchange -> {
                    asked.incrementAndGet();
                    exchange.sendResponseHeaders(503, -1);
                    exchange.close();
                });
        broken.start();
        try {
            Mono<OidcDiscovery> discovery =
                    OidcDiscovery.of("http://127.0.0.1:" + broken.getAddress().getPort());
            for (int i = 0; i < 3; i++) {
                assertThatThrownBy(discovery::block)
                        .isInstanceOf(IssuerUnavailable.class)
                        .hasRootCauseInstanceOf(
                                WebClientResponseException.ServiceUnavailable.class);
            }
            assertThatThrownBy(discovery::block)
                    .isInstanceOf(IssuerUnavailable.class)
                    .hasRootCauseInstanceOf(CallNotPermittedException.class);
            assertThat(asked).hasValue(3);
        } finally {
            broken.stop(0);
        }
    }
}
