package dev.aril.admin;

import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatusCode;
import org.springframework.security.access.AccessDeniedException;
import org.springframework.security.authorization.AuthorizationDecision;
import org.springframework.security.authorization.AuthorizationResult;
import org.springframework.security.authorization.ReactiveAuthorizationManager;
import org.springframework.security.core.Authentication;
import org.springframework.security.web.server.authorization.AuthorizationContext;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.reactive.result.method.annotation.RequestMappingHandlerMapping;
import org.springframework.web.server.ResponseStatusException;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/**
 * Whoever calls a handler must have the role that its {@link Needs} names; a handler without one is
 * closed. The mapping that will serve the request is asked, so that rule and handler cannot differ.
 */
final class Policy implements ReactiveAuthorizationManager<AuthorizationContext> {
    /** The exchange's attribute that holds the {@link LoggedIn}. */
    static final String LOGGED_IN = "aril.logged-in";

    private final RequestMappingHandlerMapping handlers;
    private final CurrentLogIn current;

    Policy(RequestMappingHandlerMapping handlers, CurrentLogIn current) {
        this.handlers = handlers;
        this.current = current;
    }

    @Override
    public Mono<AuthorizationResult> authorize(
            Mono<Authentication> authentication, AuthorizationContext context) {
        ServerWebExchange exchange = context.getExchange();
        return authentication
                .flatMap(token -> current.of(token).switchIfEmpty(Mono.error(new LogInOver())))
                .flatMap(who -> {
                    exchange.getAttributes().put(LOGGED_IN, who);
                    return decide(who, exchange);
                })
                .defaultIfEmpty(new AuthorizationDecision(false));
    }

    private Mono<AuthorizationResult> decide(LoggedIn who, ServerWebExchange exchange) {
        return handlers.getHandler(exchange)
                .map(handler -> {
                    Needs needs = needs(handler);
                    if (needs == null) {
                        throw new AccessDeniedException("no role");
                    }
                    if (!who.role().includes(needs.value())) {
                        throw new RoleTooLow(Choices.wire(needs.value()));
                    }
                    return (AuthorizationResult) new AuthorizationDecision(true);
                })
                // No handler, or none for this method or body: the dispatcher refuses it itself.
                .switchIfEmpty(Mono.just(new AuthorizationDecision(true)))
                .onErrorResume(
                        ResponseStatusException.class,
                        e -> Mono.just(new AuthorizationDecision(client(e.getStatusCode()))));
    }

    private static @Nullable Needs needs(Object handler) {
        return handler instanceof HandlerMethod method
                ? method.getMethodAnnotation(Needs.class)
                : null;
    }

    private static boolean client(HttpStatusCode status) {
        return status.is4xxClientError();
    }

    /** The account or rule behind the log-in has changed since. */
    static final class LogInOver extends AccessDeniedException {
        LogInOver() {
            super("log in again");
        }
    }

    /** Logged in, but not high enough. */
    static final class RoleTooLow extends AccessDeniedException {
        private final String least;

        RoleTooLow(String least) {
            super("needs " + least);
            this.least = least;
        }

        String least() {
            return least;
        }
    }
}
