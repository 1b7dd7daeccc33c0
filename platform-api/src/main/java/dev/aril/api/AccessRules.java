package dev.aril.api;

import dev.aril.tenancy.ApiKeys;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.security.config.annotation.web.reactive.EnableWebFluxSecurity;
import org.springframework.security.config.web.server.SecurityWebFiltersOrder;
import org.springframework.security.config.web.server.ServerHttpSecurity;
import org.springframework.security.web.server.SecurityWebFilterChain;
import org.springframework.security.web.server.context.NoOpServerSecurityContextRepository;
import org.springframework.security.web.server.firewall.ServerExchangeRejectedHandler;
import org.springframework.security.web.server.savedrequest.NoOpServerRequestCache;
import org.springframework.security.web.server.util.matcher.PathPatternParserServerWebExchangeMatcher;

/**
 * Who may call what: {@code /v1} with a key, health, info and metrics without, nothing else. There
 * are no cookies, hence no sessions and no CSRF.
 */
@Configuration(proxyBeanMethods = false)
@EnableWebFluxSecurity
class AccessRules {
    @Bean
    @Order(1)
    SecurityWebFilterChain dataPlane(ServerHttpSecurity http, ApiKeys keys, Blocking blocking) {
        return stateless(http)
                .securityMatcher(new PathPatternParserServerWebExchangeMatcher("/v1/**"))
                .addFilterAt(new ApiKeyGate(keys, blocking), SecurityWebFiltersOrder.AUTHENTICATION)
                .exceptionHandling(e ->
                        e.authenticationEntryPoint((exchange, error) ->
                                ErrorAnswers.write(exchange, Problems.unauthorized())))
                .authorizeExchange(a -> a.anyExchange().authenticated())
                .build();
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
