package dev.aril.tenancy;

/**
 * Who does an administrative act; written to the audit log.
 *
 * @param name of the account, at most 200 characters
 * @param origin where from: {@code api 10.0.0.7}, {@code dashboard …}, {@code server}; at most 200
 */
public record Actor(String name, String origin) {
    /** The server itself: demonstration tenants, sweeps. */
    public static final Actor SERVER = new Actor("aril", "server");

    public Actor {
        if (name.isBlank() || name.length() > 200 || origin.length() > 200) {
            throw new IllegalArgumentException(
                    "an actor has a name of 1 to 200 characters and an origin of at most 200");
        }
    }
}
