package dev.aril.tenancy;

import java.util.List;
import java.util.Optional;

/**
 * Who administers? Passwords come hashed; comparing them is the caller's. All calls block.
 *
 * <p>People of an OpenID provider have no account here: {@link #roleOf} maps what the provider says
 * to a role.
 */
public final class Accounts {
    /**
     * One rule for people of an OpenID provider.
     *
     * @param issuer the provider's URL
     * @param claim {@code sub}, or the name of a claim that holds a text or a list of texts
     * @param value what it must be or contain
     */
    public record OidcRule(String issuer, String claim, String value, Role role) {}

    /**
     * @throws IllegalArgumentException if the name is malformed or taken
     */
    public Account create(Actor by, String name, String passwordHash, Role role) {
        throw new UnsupportedOperationException();
    }

    public Optional<Account> find(String name) {
        throw new UnsupportedOperationException();
    }

    /** By name, disabled ones included. */
    public List<Account> list() {
        throw new UnsupportedOperationException();
    }

    /** Whether there is none at all, as before the first start. */
    public boolean none() {
        throw new UnsupportedOperationException();
    }

    public void changePassword(Actor by, String name, String passwordHash) {
        throw new UnsupportedOperationException();
    }

    /**
     * @throws IllegalArgumentException if no administrator would be left
     */
    public void changeRole(Actor by, String name, Role role) {
        throw new UnsupportedOperationException();
    }

    /**
     * @throws IllegalArgumentException if no administrator would be left
     */
    public void disable(Actor by, String name) {
        throw new UnsupportedOperationException();
    }

    public List<OidcRule> oidcRules() {
        throw new UnsupportedOperationException();
    }

    public void addOidcRule(Actor by, OidcRule rule) {
        throw new UnsupportedOperationException();
    }

    /**
     * @throws Absent if there is no such rule
     */
    public void removeOidcRule(Actor by, OidcRule rule) {
        throw new UnsupportedOperationException();
    }

    /** The highest role of the rules that fit; empty if none does. */
    public Optional<Role> roleOf(String issuer, java.util.Map<String, Object> claims) {
        throw new UnsupportedOperationException();
    }
}
