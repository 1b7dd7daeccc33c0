package dev.aril.tenancy;

/** A key was not made or changed; the message names the field, the rule and the remedy. */
public final class KeyRefused extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    KeyRefused(String message) {
        super(message);
    }
}
