package dev.aril.tenancy;

/** A tenant was not created; the message names the field, the rule and the remedy. */
public final class TenantRefused extends RuntimeException {
    private static final long serialVersionUID = 1L;

    TenantRefused(String message) {
        super(message);
    }
}
