package dev.aril.tenancy;

/**
 * A new secret, shown this once.
 *
 * @param secret the whole key, {@code aril_…}; it is not stored
 */
public record IssuedKey(String secret, ApiKey key) {
    @Override
    public String toString() {
        return "IssuedKey[" + key.keyId() + "]";
    }
}
