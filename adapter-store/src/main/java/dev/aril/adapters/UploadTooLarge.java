package dev.aril.adapters;

import dev.aril.engine.AdapterRejected;
import java.io.IOException;

/** More bytes of a file arrived than are accepted. */
public final class UploadTooLarge extends IOException {
    private static final long serialVersionUID = 1L;

    private final AdapterRejected.Part part;
    private final long limitBytes;

    UploadTooLarge(AdapterRejected.Part part, long limitBytes) {
        super(part.field() + " must have at most " + limitBytes + " bytes");
        this.part = part;
        this.limitBytes = limitBytes;
    }

    public AdapterRejected.Part part() {
        return part;
    }

    public long limitBytes() {
        return limitBytes;
    }
}
