package dev.aril.admin;

import dev.aril.tenancy.Accounts;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Which role do an issuer's claims give? What the rules in the database say of them now. */
record ClaimedRole(AdminSettings.Issuer issuer, Accounts accounts) {
    /** Empty when the rules give them no role. Blocks on SQL. */
    Optional<LoggedIn> loggedIn(@Nullable String subject, Map<String, Object> claims) {
        if (subject == null || subject.isBlank()) {
            return Optional.empty();
        }
        Map<String, Object> flat = new HashMap<>();
        flatten("", claims, flat);
        Object shown = claims.getOrDefault("preferred_username", subject);
        return accounts.roleOf(issuer.issuer(), flat)
                .map(role ->
                        LoggedIn.elsewhere(
                                "oidc:" + issuer.name() + ":" + subject, shown.toString(), role));
    }

    /** {@code {"realm_access":{"roles":[…]}}} is the claim {@code realm_access.roles}. */
    private static void flatten(String prefix, Map<?, ?> claims, Map<String, Object> flat) {
        claims.forEach((name, value) -> {
            if (value instanceof Map<?, ?> nested) {
                flatten(prefix + name + ".", nested, flat);
            } else if (value != null) {
                flat.put(prefix + name, value);
            }
        });
    }
}
