package dev.aril.adapters;

/** A registered adapter's files are gone from the disk: an operator's matter, not the caller's. */
public final class AdapterFilesMissing extends RuntimeException {
    private static final long serialVersionUID = 1L;

    AdapterFilesMissing(Adapter adapter) {
        super(
                "the files of adapter "
                        + adapter.name()
                        + " are missing; restore them or delete the adapter and upload it again");
    }
}
