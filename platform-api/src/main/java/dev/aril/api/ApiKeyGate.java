package dev.aril.api;

import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.Tenant;
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

/** Who asks: the tenant of the bearer key, or 401 with one message for everything else. */
final class ApiKeyGate implements WebFilter {
    /** The exchange's attribute that holds the {@link Tenant}. */
    static final String TENANT = "aril.tenant";

    private static final String SCHEME = "Bearer ";

    private final ApiKeys keys;
    private final Blocking blocking;

    ApiKeyGate(ApiKeys keys, Blocking blocking) {
        this.keys = keys;
        this.blocking = blocking;
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        return blocking.call(() -> authenticate(exchange.getRequest().getHeaders()))
                .flatMap(tenant ->
                        tenant.isPresent()
                                ? pass(exchange, chain, tenant.get())
                                : ErrorAnswers.write(exchange, Problems.unauthorized()));
    }

    private Optional<Tenant> authenticate(HttpHeaders headers) {
        List<String> given = headers.getOrEmpty(HttpHeaders.AUTHORIZATION);
        // Two keys are no key: it would be open which one counts.
        if (given.size() != 1
                || !given.getFirst().regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return Optional.empty();
        }
        return keys.authenticate(given.getFirst().substring(SCHEME.length()).strip());
    }

    private static Mono<Void> pass(
            ServerWebExchange exchange, WebFilterChain chain, Tenant tenant) {
        exchange.getAttributes().put(TENANT, tenant);
        return chain.filter(exchange)
                .contextWrite(
                        ReactiveSecurityContextHolder.withAuthentication(
                                UsernamePasswordAuthenticationToken.authenticated(
                                        tenant.name(), null, AuthorityUtils.NO_AUTHORITIES)));
    }
}
