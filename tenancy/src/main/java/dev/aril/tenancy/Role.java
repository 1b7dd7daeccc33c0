package dev.aril.tenancy;

import java.util.Locale;

/** What an administrator may do; each may what those before it may. */
public enum Role {
    /** Read. */
    VIEWER,
    /** Change limits, keys and tenants' state. */
    OPERATOR,
    /** Everything: accounts, prices, deletion. */
    ADMIN;

    /** As written in the database and in URLs: {@code viewer}. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * @throws IllegalArgumentException that names all roles
     */
    public static Role of(String text) {
        for (Role role : values()) {
            if (role.text().equals(text)) {
                return role;
            }
        }
        throw new IllegalArgumentException("role must be viewer, operator or admin, not " + text);
    }

    public boolean includes(Role other) {
        return compareTo(other) >= 0;
    }
}
