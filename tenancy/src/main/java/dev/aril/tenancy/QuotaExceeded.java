package dev.aril.tenancy;

/** A hard limit on what is stored stands in the way of an adapter. */
public final class QuotaExceeded extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient QuotaRefused refusal;

    QuotaExceeded(QuotaRefused refusal) {
        super(
                "limit "
                        + refusal.metric().text()
                        + " of "
                        + refusal.limit()
                        + " is used up: "
                        + refusal.used()
                        + " used, "
                        + refusal.requested()
                        + " more asked; delete an adapter or have the limit raised");
        this.refusal = refusal;
    }

    public QuotaRefused refusal() {
        return refusal;
    }
}
