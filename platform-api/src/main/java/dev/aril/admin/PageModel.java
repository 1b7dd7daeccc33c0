package dev.aril.admin;

import dev.aril.tenancy.Role;
import org.springframework.security.web.server.csrf.CsrfToken;
import org.springframework.web.bind.annotation.ControllerAdvice;
import org.springframework.web.bind.annotation.ModelAttribute;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/** What every page shows: who is logged in, and the token that its forms carry. */
@ControllerAdvice(
        assignableTypes = {
            LoginPage.class,
            TenantsPage.class,
            TenantPage.class,
            AuditPage.class,
            SystemPage.class,
            AccountsPage.class
        })
final class PageModel {
    /** For the templates, which ask for properties. */
    record Me(String shown, String role, boolean operator, boolean admin) {}

    /** Never null: Spring takes nothing from a page's other attributes after one that is. */
    @ModelAttribute("me")
    Me me(ServerWebExchange exchange) {
        LoggedIn who = exchange.getAttribute(Policy.LOGGED_IN);
        return who == null
                ? new Me("", "", false, false)
                : new Me(
                        who.shown(),
                        who.role().text(),
                        who.role().includes(Role.OPERATOR),
                        who.role().includes(Role.ADMIN));
    }

    @ModelAttribute("csrf")
    Mono<CsrfToken> csrf(ServerWebExchange exchange) {
        return exchange.getAttributeOrDefault(CsrfToken.class.getName(), Mono.empty());
    }
}
