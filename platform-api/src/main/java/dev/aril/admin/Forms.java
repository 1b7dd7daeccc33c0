package dev.aril.admin;

import org.springframework.security.web.server.csrf.CsrfToken;
import org.springframework.ui.Model;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/** The token against forged requests that every form carries. */
final class Forms {
    private Forms() {}

    static Mono<Void> withToken(Model model, ServerWebExchange exchange) {
        Mono<CsrfToken> token =
                exchange.getAttributeOrDefault(CsrfToken.class.getName(), Mono.empty());
        return token.doOnNext(value -> model.addAttribute("csrf", value)).then();
    }
}
