package dev.aril.admin;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import java.time.Duration;
import java.util.Map;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.web.reactive.function.client.WebClient;
import reactor.core.publisher.Mono;

/**
 * What an issuer says of itself, at its well-known address (OpenID Connect Discovery 1.0).
 *
 * @param authorization where browsers are sent to log in
 * @param token where a code becomes a token
 * @param keys where its public keys are
 */
record OidcDiscovery(String authorization, String token, String keys) {
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final WebClient HTTP = WebClient.create();

    /** After three failures in a row an issuer is left alone for ten seconds, then asked once. */
    private static final CircuitBreakerConfig SETTINGS =
            CircuitBreakerConfig.custom()
                    .slidingWindow(
                            3,
                            3,
                            SlidingWindowType.COUNT_BASED,
                            CircuitBreakerConfig.SlidingWindowSynchronizationStrategy.LOCK_FREE)
                    .failureRateThreshold(100)
                    .waitDurationInOpenState(Duration.ofSeconds(10))
                    .permittedNumberOfCallsInHalfOpenState(1)
                    .build();

    /**
     * Asks when it is subscribed to, each time anew. While an issuer is away, those who log in
     * through it hear so at once instead of waiting for it, and it is not asked for each of them.
     *
     * @return fails with {@link IssuerUnavailable}
     */
    static Mono<OidcDiscovery> of(String issuer) {
        CircuitBreaker breaker = CircuitBreaker.of(issuer, SETTINGS);
        return Mono.defer(() ->
                Mono.fromCompletionStage(
                                breaker.executeCompletionStage(() -> ask(issuer).toFuture()))
                        .onErrorMap(failure -> new IssuerUnavailable(issuer, failure)));
    }

    private static Mono<OidcDiscovery> ask(String issuer) {
        return HTTP.get()
                .uri(issuer.replaceAll("/+$", "") + "/.well-known/openid-configuration")
                .retrieve()
                .bodyToMono(new ParameterizedTypeReference<Map<String, Object>>() {})
                .timeout(PATIENCE)
                .map(document -> {
                    if (!issuer.equals(document.get("issuer"))) {
                        throw new IllegalStateException(
                                "the discovery document of "
                                        + issuer
                                        + " is of another issuer: "
                                        + document.get("issuer"));
                    }
                    return new OidcDiscovery(
                            text(document, "authorization_endpoint"),
                            text(document, "token_endpoint"),
                            text(document, "jwks_uri"));
                });
    }

    private static String text(Map<String, Object> document, String field) {
        if (document.get(field) instanceof String value) {
            return value;
        }
        throw new IllegalStateException("the discovery document has no " + field);
    }
}
