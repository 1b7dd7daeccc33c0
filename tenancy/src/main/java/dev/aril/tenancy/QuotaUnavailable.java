package dev.aril.tenancy;

/** Nobody knows what is left, so nothing is admitted: the database does not answer. A 503. */
public final class QuotaUnavailable extends RuntimeException {
    private static final long serialVersionUID = 1L;

    QuotaUnavailable(String message, Throwable cause) {
        super(message, cause);
    }
}
