package dev.aril.tenancy;

import java.util.Set;

/**
 * Whoever presented a valid key.
 *
 * @param keyId the key's public id
 */
public record Bearer(Tenant tenant, String keyId, Set<KeyScope> scopes) {
    public Bearer {
        scopes = Set.copyOf(scopes);
    }

    public boolean may(KeyScope scope) {
        return scopes.contains(scope);
    }
}
