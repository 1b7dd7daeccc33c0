package dev.aril.tenancy;

/** What an administrative act names does not exist, or is another tenant's: the same answer. */
public final class Absent extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Absent(String message) {
        super(message);
    }
}
