package dev.aril.tenancy;

import java.util.Locale;

/**
 * What a limit applies to, inside a tenant.
 *
 * @param subject the key's id or the adapter's name; empty for the tenant as a whole
 */
public record QuotaScope(Kind kind, String subject) {
    /** The whole tenant. */
    public static final QuotaScope TENANT = new QuotaScope(Kind.TENANT, "");

    /** See {@link QuotaScope}. */
    public enum Kind {
        TENANT,
        KEY,
        ADAPTER;

        /** As written in the database and in URLs: {@code tenant}. */
        public String text() {
            return name().toLowerCase(Locale.ROOT);
        }

        /**
         * @throws IllegalArgumentException that names all kinds
         */
        public static Kind of(String text) {
            for (Kind kind : values()) {
                if (kind.text().equals(text)) {
                    return kind;
                }
            }
            throw new IllegalArgumentException("scope must be tenant, key or adapter, not " + text);
        }
    }

    public QuotaScope {
        if ((kind == Kind.TENANT) != subject.isEmpty() || subject.length() > 64) {
            throw new IllegalArgumentException(
                    "scope "
                            + kind.text()
                            + (kind == Kind.TENANT
                                    ? " takes no subject"
                                    : " needs a subject of 1 to 64 characters:"
                                            + " the key's id or the adapter's name"));
        }
    }

    /** One API key, by its id. */
    public static QuotaScope key(String keyId) {
        return new QuotaScope(Kind.KEY, keyId);
    }

    /** One adapter, by its name. */
    public static QuotaScope adapter(String name) {
        return new QuotaScope(Kind.ADAPTER, name);
    }

    @Override
    public String toString() {
        return kind == Kind.TENANT ? kind.text() : kind.text() + " " + subject;
    }
}
