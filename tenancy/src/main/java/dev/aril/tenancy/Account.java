package dev.aril.tenancy;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A local administrator.
 *
 * @param name unique, {@code [a-z0-9][a-z0-9._@-]{0,62}}
 * @param passwordHash with the hash's own scheme in front, as {@code {bcrypt}$2a$…}
 * @param revision grows with every change: a session that remembers an older one is over
 * @param disabledAt null while it may log in
 */
public record Account(
        String name,
        String passwordHash,
        Role role,
        long revision,
        Instant createdAt,
        @Nullable Instant disabledAt) {
    @Override
    public String toString() {
        return "Account[" + name + ", " + role.text() + "]";
    }
}
