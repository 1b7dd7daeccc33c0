package dev.aril.adapters;

/** An adapter's name cannot be used; the message names the rule and the remedy. */
public final class AdapterNameRefused extends Exception {
    private static final long serialVersionUID = 1L;

    /** Which rule. */
    public enum Reason {
        MALFORMED,
        /** It is the base model's name. */
        RESERVED,
        /** The tenant has an adapter of that name. */
        TAKEN
    }

    private final Reason reason;

    AdapterNameRefused(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
