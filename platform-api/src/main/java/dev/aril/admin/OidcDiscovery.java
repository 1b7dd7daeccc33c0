package dev.aril.admin;

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

    static Mono<OidcDiscovery> of(String issuer) {
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
