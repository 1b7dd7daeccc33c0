package dev.aril.api;

import dev.aril.tenancy.Bearer;
import java.util.List;
import java.util.Optional;
import org.springframework.http.HttpHeaders;
import org.springframework.security.authentication.UsernamePasswordAuthenticationToken;
import org.springframework.security.core.authority.AuthorityUtils;
import org.springframework.security.core.context.ReactiveSecurityContextHolder;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import reactor.core.publisher.Mono;

/** Who asks: the bearer of a valid key, or 401 with one message for everything else. */
final class ApiKeyGate implements WebFilter {
    /** The exchange's attribute that holds the {@link Bearer}. */
    static final String BEARER = "aril.bearer";

    /** In front of a scope's name it is the authority to use what needs it. */
    static final String SCOPE = "SCOPE_";

    private static final String SCHEME = "Bearer ";

    private final Spending spending;
    private final Blocking blocking;

    ApiKeyGate(Spending spending, Blocking blocking) {
        this.spending = spending;
        this.blocking = blocking;
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        return blocking.call(() -> authenticate(exchange.getRequest().getHeaders()))
                .flatMap(bearer ->
                        bearer.isPresent()
                                ? pass(exchange, chain, bearer.get())
                                : ErrorAnswers.write(exchange, Problems.unauthorized()));
    }

    private Optional<Bearer> authenticate(HttpHeaders headers) {
        List<String> given = headers.getOrEmpty(HttpHeaders.AUTHORIZATION);
        // Two keys are no key: it would be open which one counts.
        if (given.size() != 1
                || !given.getFirst().regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return Optional.empty();
        }
        return spending.identify(given.getFirst().substring(SCHEME.length()).strip());
    }

    private static Mono<Void> pass(
            ServerWebExchange exchange, WebFilterChain chain, Bearer bearer) {
        exchange.getAttributes().put(BEARER, bearer);
        String[] scopes =
                bearer.scopes().stream().map(scope -> SCOPE + scope.text()).toArray(String[]::new);
        return chain.filter(exchange)
                .contextWrite(
                        ReactiveSecurityContextHolder.withAuthentication(
                                UsernamePasswordAuthenticationToken.authenticated(
                                        bearer.tenant().name(),
                                        null,
                                        AuthorityUtils.createAuthorityList(scopes))));
    }
}
