package dev.aril.admin;

import com.github.benmanes.caffeine.cache.Ticker;
import dev.aril.api.Blocking;
import dev.aril.tenancy.Accounts;
import java.net.URI;
import java.security.SecureRandom;
import java.time.InstantSource;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpMethod;
import org.springframework.http.HttpStatus;
import org.springframework.security.access.AccessDeniedException;
import org.springframework.security.config.web.server.SecurityWebFiltersOrder;
import org.springframework.security.config.web.server.ServerHttpSecurity;
import org.springframework.security.oauth2.server.resource.web.server.authentication.ServerBearerTokenAuthenticationConverter;
import org.springframework.security.web.server.SecurityWebFilterChain;
import org.springframework.security.web.server.authentication.AuthenticationWebFilter;
import org.springframework.security.web.server.authentication.RedirectServerAuthenticationSuccessHandler;
import org.springframework.security.web.server.authentication.ServerAuthenticationFailureHandler;
import org.springframework.security.web.server.authentication.ServerFormLoginAuthenticationConverter;
import org.springframework.security.web.server.authentication.ServerHttpBasicAuthenticationConverter;
import org.springframework.security.web.server.authentication.logout.RedirectServerLogoutSuccessHandler;
import org.springframework.security.web.server.context.NoOpServerSecurityContextRepository;
import org.springframework.security.web.server.context.WebSessionServerSecurityContextRepository;
import org.springframework.security.web.server.csrf.CsrfException;
import org.springframework.security.web.server.header.ReferrerPolicyServerHttpHeadersWriter.ReferrerPolicy;
import org.springframework.security.web.server.header.XFrameOptionsServerHttpHeadersWriter.Mode;
import org.springframework.security.web.server.savedrequest.NoOpServerRequestCache;
import org.springframework.security.web.server.util.matcher.PathPatternParserServerWebExchangeMatcher;
import org.springframework.web.reactive.result.method.annotation.RequestMappingHandlerMapping;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebSession;
import reactor.core.publisher.Mono;

/**
 * The second plane's doors. The API takes HTTP Basic or a bearer token and knows no session, so
 * that no cookie can be ridden; the dashboard takes a form or an issuer's log-in, has a session,
 * and every form of it a token against forgery. Both ask {@link Policy}.
 */
@Configuration(proxyBeanMethods = false)
class AdminAccess {
    /** Nothing but this server's own files; no script and no style inside a page. */
    static final String CONTENT_SECURITY_POLICY =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src"
                    + " 'self'; font-src 'self'; form-action 'self'; base-uri 'none';"
                    + " frame-ancestors 'none'";

    @Bean
    MachineToken machineToken() {
        return new MachineToken(new SecureRandom());
    }

    @Bean
    LocalLogin localLogin(Passwords passwords, Blocking blocking) {
        return new LocalLogin(passwords, new LoginFailures(Ticker.systemTicker()), blocking);
    }

    @Bean
    Policy policy(
            @Qualifier("requestMappingHandlerMapping") RequestMappingHandlerMapping handlers,
            CurrentLogIn current) {
        return new Policy(handlers, current);
    }

    @Bean
    @Order(-3)
    SecurityWebFilterChain documents(ServerHttpSecurity http) {
        return http.securityMatcher(new PathPatternParserServerWebExchangeMatcher("/openapi/**"))
                .csrf(ServerHttpSecurity.CsrfSpec::disable)
                .requestCache(cache -> cache.requestCache(NoOpServerRequestCache.getInstance()))
                .securityContextRepository(NoOpServerSecurityContextRepository.getInstance())
                .authorizeExchange(a -> a.anyExchange().permitAll())
                .build();
    }

    @Bean
    @Order(-2)
    SecurityWebFilterChain adminApi(
            ServerHttpSecurity http,
            LocalLogin local,
            MachineToken machine,
            AdminSettings settings,
            Accounts accounts,
            Blocking blocking,
            Policy policy) {
        ServerAuthenticationFailureHandler refused =
                (filter, failure) ->
                        AdminErrors.write(filter.getExchange(), LocalLogin.problem(failure));
        AuthenticationWebFilter basic =
                new AuthenticationWebFilter((ServerWebExchange exchange) -> local.from(exchange));
        basic.setServerAuthenticationConverter(new ServerHttpBasicAuthenticationConverter());
        basic.setAuthenticationFailureHandler(refused);
        BearerLogin bearers = new BearerLogin(settings, machine, accounts, blocking);
        AuthenticationWebFilter bearer =
                new AuthenticationWebFilter((ServerWebExchange exchange) -> bearers.from(exchange));
        bearer.setServerAuthenticationConverter(new ServerBearerTokenAuthenticationConverter());
        bearer.setAuthenticationFailureHandler(refused);
        return http.securityMatcher(new PathPatternParserServerWebExchangeMatcher("/admin/api/**"))
                .csrf(ServerHttpSecurity.CsrfSpec::disable)
                .requestCache(cache -> cache.requestCache(NoOpServerRequestCache.getInstance()))
                .securityContextRepository(NoOpServerSecurityContextRepository.getInstance())
                .addFilterAt(basic, SecurityWebFiltersOrder.HTTP_BASIC)
                .addFilterAt(bearer, SecurityWebFiltersOrder.AUTHENTICATION)
                .headers(AdminAccess::headers)
                .exceptionHandling(e ->
                        e.authenticationEntryPoint((exchange, error) ->
                                        AdminErrors.write(exchange, AdminErrors.unauthorized()))
                                .accessDeniedHandler(AdminAccess::denied))
                .authorizeExchange(a -> a.anyExchange().access(policy))
                .build();
    }

    @Bean
    @Order(-1)
    SecurityWebFilterChain dashboard(
            ServerHttpSecurity http,
            LocalLogin local,
            OidcLogin oidc,
            AdminSettings settings,
            Policy policy) {
        AuthenticationWebFilter form =
                new AuthenticationWebFilter((ServerWebExchange exchange) -> local.from(exchange));
        form.setRequiresAuthenticationMatcher(
                new PathPatternParserServerWebExchangeMatcher("/admin/login", HttpMethod.POST));
        form.setServerAuthenticationConverter(new ServerFormLoginAuthenticationConverter());
        form.setSecurityContextRepository(new WebSessionServerSecurityContextRepository());
        form.setAuthenticationSuccessHandler(
                new RedirectServerAuthenticationSuccessHandler("/admin"));
        form.setAuthenticationFailureHandler((filter, failure) ->
                LoginPage.goBack(
                        filter.getExchange(),
                        failure instanceof LocalLogin.TooManyFailures ? "wait" : "wrong"));
        ServerHttpSecurity security =
                http.securityMatcher(new PathPatternParserServerWebExchangeMatcher("/admin/**"))
                        .requestCache(
                                cache -> cache.requestCache(NoOpServerRequestCache.getInstance()))
                        .addFilterAt(form, SecurityWebFiltersOrder.FORM_LOGIN)
                        .addFilterBefore(
                                new SessionAge(settings.sessionMost(), InstantSource.system()),
                                SecurityWebFiltersOrder.SECURITY_CONTEXT_SERVER_WEB_EXCHANGE)
                        .csrf(csrf -> csrf.accessDeniedHandler(AdminAccess::denied))
                        .headers(AdminAccess::headers)
                        .logout(logout -> {
                            RedirectServerLogoutSuccessHandler bye =
                                    new RedirectServerLogoutSuccessHandler();
                            bye.setLogoutSuccessUrl(URI.create("/admin/login?bye"));
                            logout.logoutUrl("/admin/logout").logoutSuccessHandler(bye);
                        })
                        .exceptionHandling(e ->
                                e.authenticationEntryPoint(
                                                (exchange, error) -> LoginPage.goBack(exchange, ""))
                                        .accessDeniedHandler(AdminAccess::denied))
                        .authorizeExchange(a ->
                                a.pathMatchers(HttpMethod.GET, "/admin/login", "/admin/assets/**")
                                        .permitAll()
                                        .anyExchange()
                                        .access(policy));
        return oidc.offered() ? security.oauth2Login(oidc::configure).build() : security.build();
    }

    private static void headers(ServerHttpSecurity.HeaderSpec headers) {
        headers.contentSecurityPolicy(csp -> csp.policyDirectives(CONTENT_SECURITY_POLICY))
                .frameOptions(frames -> frames.mode(Mode.DENY))
                .referrerPolicy(referrer -> referrer.policy(ReferrerPolicy.NO_REFERRER));
    }

    private static Mono<Void> denied(ServerWebExchange exchange, AccessDeniedException denied) {
        if (denied instanceof Policy.LogInOver) {
            return exchange.getRequest().getPath().value().startsWith("/admin/api/")
                    ? AdminErrors.write(exchange, AdminErrors.unauthorized())
                    : exchange.getSession()
                            .flatMap(WebSession::invalidate)
                            .then(LoginPage.goBack(exchange, "over"));
        }
        AdminProblem problem =
                switch (denied) {
                    case Policy.RoleTooLow e -> AdminErrors.forbidden(e.least());
                    case CsrfException e ->
                            AdminProblem.of(
                                            HttpStatus.FORBIDDEN,
                                            "form-expired",
                                            "This form is no longer valid.")
                                    .remedy("Reload the page and try again.");
                    default -> AdminErrors.noSuchUrl();
                };
        return AdminErrors.write(exchange, problem);
    }
}
