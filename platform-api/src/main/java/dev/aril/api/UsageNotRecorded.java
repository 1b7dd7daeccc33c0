package dev.aril.api;

/** The ledger did not take a generation's row. */
final class UsageNotRecorded extends RuntimeException {
    private static final long serialVersionUID = 1L;

    UsageNotRecorded(String generationId, Throwable cause) {
        super("usage of " + generationId + " is not recorded", cause);
    }
}
