package dev.aril.tenancy;

import java.util.Optional;

/** Whose is this bearer key? */
public final class ApiKeys {
    /**
     * Makes a key.
     *
     * @param label for people, 1 to 100 characters
     * @return the whole key; it is not stored and cannot be shown again
     */
    public String issue(TenantId tenant, String label) {
        throw new UnsupportedOperationException(tenant + label);
    }

    /**
     * The active tenant that owns a key. Blocks on SQL when the key was not seen within the last
     * second; a malformed key is refused without any I/O.
     */
    public Optional<Tenant> authenticate(String presented) {
        throw new UnsupportedOperationException(presented);
    }
}
