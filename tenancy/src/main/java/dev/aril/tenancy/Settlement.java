package dev.aril.tenancy;

/** What settling did. */
public enum Settlement {
    /** The event is in the ledger, and durable. */
    RECORDED,
    /** It was there before: nothing is counted twice. */
    ALREADY_RECORDED
}
