package dev.aril.admin;

import dev.aril.api.Blocking;
import dev.aril.tenancy.Accounts;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.springframework.security.authentication.AbstractAuthenticationToken;
import org.springframework.security.authentication.ReactiveAuthenticationManager;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusReactiveJwtDecoder;
import org.springframework.security.oauth2.server.resource.InvalidBearerTokenException;
import org.springframework.security.oauth2.server.resource.authentication.BearerTokenAuthenticationToken;
import org.springframework.security.oauth2.server.resource.authentication.JwtIssuerReactiveAuthenticationManagerResolver;
import org.springframework.security.oauth2.server.resource.authentication.JwtReactiveAuthenticationManager;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/**
 * Bearer tokens: this machine's own, or a JWT of a listed issuer. An issuer's keys are fetched when
 * its first token comes, from the address in the settings; nothing in a token names an address.
 */
final class BearerLogin {
    private final MachineToken machine;
    private final JwtIssuerReactiveAuthenticationManagerResolver issuers;

    BearerLogin(
            AdminSettings settings, MachineToken machine, Accounts accounts, Blocking blocking) {
        this.machine = machine;
        Map<String, Mono<ReactiveAuthenticationManager>> listed =
                settings.issuers().stream()
                        .collect(
                                Collectors.toMap(
                                        AdminSettings.Issuer::issuer,
                                        issuer ->
                                                manager(
                                                        issuer.issuer(),
                                                        issuer.audience(),
                                                        new ClaimedRole(issuer, accounts),
                                                        blocking)));
        this.issuers =
                new JwtIssuerReactiveAuthenticationManagerResolver(issuer ->
                        listed.getOrDefault(
                                issuer,
                                Mono.error(
                                        () -> new InvalidBearerTokenException("Invalid issuer"))));
    }

    Mono<ReactiveAuthenticationManager> from(ServerWebExchange exchange) {
        return Mono.just(attempt -> {
            String token =
                    attempt instanceof BearerTokenAuthenticationToken bearer
                            ? bearer.getToken()
                            : "";
            if (machine.matches(token)) {
                return Mono.just(new LogInToken(MachineToken.OWNER));
            }
            return issuers.resolve(exchange).flatMap(manager -> manager.authenticate(attempt));
        });
    }

    private static Mono<ReactiveAuthenticationManager> manager(
            String issuer, String audience, ClaimedRole roles, Blocking blocking) {
        return OidcDiscovery.of(issuer)
                .map(found -> {
                    NimbusReactiveJwtDecoder decoder =
                            NimbusReactiveJwtDecoder.withJwkSetUri(found.keys()).build();
                    decoder.setJwtValidator(
                            new DelegatingOAuth2TokenValidator<>(
                                    JwtValidators.createDefaultWithIssuer(issuer),
                                    audience(audience)));
                    JwtReactiveAuthenticationManager manager =
                            new JwtReactiveAuthenticationManager(decoder);
                    manager.setJwtAuthenticationConverter(jwt ->
                            blocking.call(() -> roles.loggedIn(jwt.getSubject(), jwt.getClaims()))
                                    .map(BearerLogin::token));
                    return (ReactiveAuthenticationManager) manager;
                })
                // A failure is tried again by the next request, a success is kept.
                .cacheInvalidateIf(_ -> false);
    }

    private static OAuth2TokenValidator<Jwt> audience(String wanted) {
        OAuth2Error error = new OAuth2Error("invalid_token", "wrong audience", null);
        return jwt ->
                jwt.getAudience() != null && jwt.getAudience().contains(wanted)
                        ? OAuth2TokenValidatorResult.success()
                        : OAuth2TokenValidatorResult.failure(error);
    }

    private static AbstractAuthenticationToken token(Optional<LoggedIn> who) {
        return new LogInToken(
                who.orElseThrow(() -> new InvalidBearerTokenException("the token gives no role")));
    }
}
