package dev.aril.admin;

import dev.aril.api.Blocking;
import dev.aril.tenancy.Accounts;
import java.util.Optional;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.context.ReactiveSecurityContextHolder;
import org.springframework.security.core.context.SecurityContext;
import org.springframework.security.oauth2.client.authentication.OAuth2AuthenticationToken;
import org.springframework.stereotype.Component;
import reactor.core.publisher.Mono;

/**
 * Who acts, now? A local account is read again at each request, so that a changed role or password,
 * or a disabled account, ends all its sessions at once.
 */
@Component
final class CurrentLogIn {
    private final Accounts accounts;
    private final AdminSettings settings;
    private final Blocking blocking;

    CurrentLogIn(Accounts accounts, AdminSettings settings, Blocking blocking) {
        this.accounts = accounts;
        this.settings = settings;
        this.blocking = blocking;
    }

    /** Empty when nobody is logged in. */
    Mono<LoggedIn> get() {
        return ReactiveSecurityContextHolder.getContext()
                .mapNotNull(SecurityContext::getAuthentication)
                .flatMap(this::of);
    }

    /** Empty when the log-in is not, or no longer, worth anything. */
    Mono<LoggedIn> of(Authentication authentication) {
        return switch (authentication) {
            case LogInToken token -> fresh(token.getPrincipal());
            case OAuth2AuthenticationToken token ->
                    blocking.call(() -> browser(token)).flatMap(Mono::justOrEmpty);
            default -> Mono.empty();
        };
    }

    private Mono<LoggedIn> fresh(LoggedIn remembered) {
        String name = remembered.account();
        if (name == null) {
            return Mono.just(remembered);
        }
        return blocking.call(() -> accounts.find(name))
                .flatMap(Mono::justOrEmpty)
                .filter(account -> account.disabledAt() == null)
                .filter(account -> account.revision() == remembered.revision())
                .map(LoggedIn::of);
    }

    private Optional<LoggedIn> browser(OAuth2AuthenticationToken token) {
        return settings.issuers().stream()
                .filter(issuer -> issuer.name().equals(token.getAuthorizedClientRegistrationId()))
                .findFirst()
                .flatMap(issuer ->
                        new ClaimedRole(issuer, accounts)
                                .loggedIn(token.getName(), token.getPrincipal().getAttributes()));
    }
}
