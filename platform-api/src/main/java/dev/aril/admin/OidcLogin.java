package dev.aril.admin;

import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.springframework.security.config.web.server.ServerHttpSecurity.OAuth2LoginSpec;
import org.springframework.security.core.Authentication;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ReactiveClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizationRequestCustomizers;
import org.springframework.security.oauth2.client.web.server.DefaultServerOAuth2AuthorizationRequestResolver;
import org.springframework.security.oauth2.client.web.server.ServerOAuth2AuthorizedClientRepository;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.web.server.authentication.RedirectServerAuthenticationSuccessHandler;
import org.springframework.security.web.server.util.matcher.PathPatternParserServerWebExchangeMatcher;
import org.springframework.stereotype.Component;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/**
 * Log-in of a browser by OpenID Connect: authorization code with PKCE. An issuer is asked for its
 * addresses when somebody first logs in through it, so a server starts while an issuer is away.
 */
@Component
final class OidcLogin {
    private static final String START = "/admin/oidc/start/{registrationId}";
    private static final String RETURN = "/admin/oidc/return/{registrationId}";

    private final Map<String, Mono<ClientRegistration>> registrations = new LinkedHashMap<>();

    OidcLogin(AdminSettings settings) {
        for (AdminSettings.Issuer issuer : settings.issuers()) {
            String client = issuer.clientId();
            if (client != null) {
                URI here = Objects.requireNonNull(settings.url(), "checked by the settings");
                registrations.put(
                        issuer.name(),
                        OidcDiscovery.of(issuer.issuer())
                                .map(found -> registration(issuer, client, found, here))
                                .cacheInvalidateIf(_ -> false));
            }
        }
    }

    boolean offered() {
        return !registrations.isEmpty();
    }

    /** Names of the issuers on the log-in page. */
    List<String> names() {
        return List.copyOf(registrations.keySet());
    }

    void configure(OAuth2LoginSpec login) {
        ReactiveClientRegistrationRepository known =
                name -> registrations.getOrDefault(name, Mono.empty());
        DefaultServerOAuth2AuthorizationRequestResolver requests =
                new DefaultServerOAuth2AuthorizationRequestResolver(
                        known, new PathPatternParserServerWebExchangeMatcher(START));
        requests.setAuthorizationRequestCustomizer(
                OAuth2AuthorizationRequestCustomizers.withPkce());
        login.clientRegistrationRepository(known)
                .authorizedClientRepository(new NothingKept())
                .authorizationRequestResolver(requests)
                .authenticationMatcher(new PathPatternParserServerWebExchangeMatcher(RETURN))
                .authenticationSuccessHandler(
                        new RedirectServerAuthenticationSuccessHandler("/admin"))
                .authenticationFailureHandler(
                        (filter, failure) -> LoginPage.goBack(filter.getExchange(), "issuer"));
    }

    private static ClientRegistration registration(
            AdminSettings.Issuer issuer, String client, OidcDiscovery found, URI here) {
        return ClientRegistration.withRegistrationId(issuer.name())
                .clientId(client)
                .clientSecret(issuer.clientSecret() == null ? "" : issuer.clientSecret())
                .authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
                // From the settings, not from the request: a Host header decides nothing.
                .redirectUri(
                        here.toString().replaceAll("/+$", "")
                                + RETURN.replace("{registrationId}", issuer.name()))
                .scope("openid", "profile")
                .issuerUri(issuer.issuer())
                .authorizationUri(found.authorization())
                .tokenUri(found.token())
                .jwkSetUri(found.keys())
                .userNameAttributeName("sub")
                .build();
    }

    /** The issuer's tokens say who it is and are not needed afterwards. */
    private static final class NothingKept implements ServerOAuth2AuthorizedClientRepository {
        @Override
        public <T extends OAuth2AuthorizedClient> Mono<T> loadAuthorizedClient(
                String registration, Authentication principal, ServerWebExchange exchange) {
            return Mono.empty();
        }

        @Override
        public Mono<Void> saveAuthorizedClient(
                OAuth2AuthorizedClient client,
                Authentication principal,
                ServerWebExchange exchange) {
            return Mono.empty();
        }

        @Override
        public Mono<Void> removeAuthorizedClient(
                String registration, Authentication principal, ServerWebExchange exchange) {
            return Mono.empty();
        }
    }
}
