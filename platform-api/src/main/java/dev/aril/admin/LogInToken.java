package dev.aril.admin;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.security.authentication.AbstractAuthenticationToken;

/** A logged-in {@link LoggedIn}. It has no authorities: the role decides, see {@link Policy}. */
final class LogInToken extends AbstractAuthenticationToken {
    private final LoggedIn who;

    LogInToken(LoggedIn who) {
        super(List.of());
        this.who = who;
        setAuthenticated(true);
    }

    @Override
    public Object getCredentials() {
        return "";
    }

    @Override
    public LoggedIn getPrincipal() {
        return who;
    }

    @Override
    public String getName() {
        return who.name();
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof LogInToken token && token.who.equals(who);
    }

    @Override
    public int hashCode() {
        return who.hashCode();
    }
}
