package dev.aril.adapters;

import dev.aril.engine.AdapterRejected.Part;
import java.io.IOException;
import java.nio.channels.WritableByteChannel;

/** An upload on its way in: a private folder that is gone after {@link #close} unless published. */
public final class StagedUpload implements AutoCloseable {
    /**
     * Where one of the two files is written; its {@code close} makes the bytes durable.
     *
     * @return a channel that throws {@link UploadTooLarge} at the first byte over the limit
     * @throws IllegalStateException if the part was opened before
     */
    public WritableByteChannel open(Part part) throws IOException {
        throw new IOException(part.field());
    }

    /** Deletes what was not published. */
    @Override
    public void close() {}
}
