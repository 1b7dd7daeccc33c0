package dev.aril.api;

import dev.aril.tenancy.KeyScope;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.security.authorization.AuthorizationDecision;
import org.springframework.security.authorization.AuthorizationResult;
import org.springframework.security.config.annotation.web.reactive.EnableWebFluxSecurity;
import org.springframework.security.config.web.server.SecurityWebFiltersOrder;
import org.springframework.security.config.web.server.ServerHttpSecurity;
import org.springframework.security.core.Authentication;
import org.springframework.security.web.server.SecurityWebFilterChain;
import org.springframework.security.web.server.context.NoOpServerSecurityContextRepository;
import org.springframework.security.web.server.firewall.ServerExchangeRejectedHandler;
import org.springframework.security.web.server.savedrequest.NoOpServerRequestCache;
import org.springframework.security.web.server.util.matcher.PathPatternParserServerWebExchangeMatcher;
import org.springframework.web.server.ServerWebExchange;

/**
 * Who may call what: {@code /v1} with a key, health, info and metrics without, nothing else. There
 * are no cookies, hence no sessions and no CSRF.
 */
@Configuration(proxyBeanMethods = false)
@EnableWebFluxSecurity
class AccessRules {
    @Bean
    @Order(1)
    SecurityWebFilterChain dataPlane(
            ServerHttpSecurity http, Spending spending, Blocking blocking) {
        return stateless(http)
                .securityMatcher(new PathPatternParserServerWebExchangeMatcher("/v1/**"))
                .addFilterAt(
                        new ApiKeyGate(spending, blocking), SecurityWebFiltersOrder.AUTHENTICATION)
                .exceptionHandling(e ->
                        e.authenticationEntryPoint((exchange, error) ->
                                        ErrorAnswers.write(exchange, Problems.unauthorized()))
                                .accessDeniedHandler((exchange, denied) ->
                                        ErrorAnswers.write(
                                                exchange,
                                                Problems.outOfScope(
                                                        scope(exchange.getRequest()).text()))))
                .authorizeExchange(a ->
                        a.anyExchange()
                                .access((authentication, context) ->
                                        authentication.map(
                                                who -> decision(who, context.getExchange()))))
                .build();
    }

    private static AuthorizationResult decision(Authentication who, ServerWebExchange exchange) {
        String needed = ApiKeyGate.SCOPE + scope(exchange.getRequest()).text();
        return new AuthorizationDecision(
                who.getAuthorities().stream()
                        .anyMatch(authority -> needed.equals(authority.getAuthority())));
    }

    /** What a URL of the data plane needs; one that does not exist needs what is asked most. */
    private static KeyScope scope(ServerHttpRequest request) {
        String path = request.getPath().pathWithinApplication().value();
        if (path.equals("/v1/adapters") || path.startsWith("/v1/adapters/")) {
            return KeyScope.ADAPTERS;
        }
        return path.startsWith("/v1/organization/") ? KeyScope.USAGE : KeyScope.INFERENCE;
    }

    @Bean
    @Order(2)
    SecurityWebFilterChain everythingElse(ServerHttpSecurity http) {
        return stateless(http)
                .exceptionHandling(e ->
                        e.authenticationEntryPoint((exchange, error) ->
                                ErrorAnswers.write(exchange, Problems.noSuchUrl())))
                .authorizeExchange(a ->
                        a.pathMatchers(
                                        "/actuator/health",
                                        "/actuator/health/liveness",
                                        "/actuator/health/readiness",
                                        "/actuator/info",
                                        "/actuator/prometheus")
                                .permitAll()
                                .anyExchange()
                                .denyAll())
                .build();
    }

    /** URLs that could mean two things, as with an encoded slash or a double one. */
    @Bean
    ServerExchangeRejectedHandler ambiguousUrls() {
        return (exchange, rejection) -> ErrorAnswers.write(exchange, Problems.ambiguousUrl());
    }

    private static ServerHttpSecurity stateless(ServerHttpSecurity http) {
        return http.csrf(ServerHttpSecurity.CsrfSpec::disable)
                .httpBasic(ServerHttpSecurity.HttpBasicSpec::disable)
                .formLogin(ServerHttpSecurity.FormLoginSpec::disable)
                .logout(ServerHttpSecurity.LogoutSpec::disable)
                .requestCache(cache -> cache.requestCache(NoOpServerRequestCache.getInstance()))
                .securityContextRepository(NoOpServerSecurityContextRepository.getInstance());
    }
}
