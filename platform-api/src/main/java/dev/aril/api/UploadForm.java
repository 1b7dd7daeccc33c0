package dev.aril.api;

import dev.aril.adapters.Adapter;
import dev.aril.adapters.AdapterNameRefused;
import dev.aril.adapters.Adapters;
import dev.aril.adapters.StagedUpload;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterRejected.Part;
import dev.aril.tenancy.TenantId;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.springframework.core.io.buffer.DataBuffer;
import org.springframework.core.io.buffer.DataBufferUtils;
import org.springframework.http.codec.multipart.FilePartEvent;
import org.springframework.http.codec.multipart.FormPartEvent;
import org.springframework.http.codec.multipart.PartEvent;
import reactor.core.Exceptions;

/**
 * A multipart form with the parts {@code name}, {@code adapter_config} and {@code adapter_model},
 * in any order, written to its staged folder as it comes in.
 *
 * <p>Its calls block and may come from several threads, one after the other; {@link #end} may come
 * while another is running, when the client has gone, and then waits for it.
 */
final class UploadForm {
    private static final String NAME = "name";
    private static final int LONGEST_NAME = 200;

    private final Adapters adapters;
    private final TenantId tenant;
    private final StagedUpload upload;
    private final Set<Part> received = EnumSet.noneOf(Part.class);
    private @Nullable String name;
    private @Nullable WritableByteChannel file;
    private boolean inPart;

    UploadForm(Adapters adapters, TenantId tenant) throws IOException {
        this.adapters = adapters;
        this.tenant = tenant;
        this.upload = adapters.stage();
    }

    /**
     * A piece of the form, whose buffer is let go of once: when a client hangs up, Reactor may
     * discard a piece that it hands on at the same time.
     */
    static final class Piece {
        private final PartEvent event;
        private final AtomicBoolean taken = new AtomicBoolean();

        Piece(PartEvent event) {
            this.event = event;
        }

        private boolean take() {
            return taken.compareAndSet(false, true);
        }

        void discard() {
            if (take()) {
                DataBufferUtils.release(event.content());
            }
        }
    }

    /** Takes the next piece and lets go of its buffer. */
    synchronized void accept(Piece piece) {
        if (!piece.take()) {
            return;
        }
        PartEvent event = piece.event;
        try {
            if (!inPart) {
                begin(event);
                inPart = true;
            }
            if (file != null) {
                write(file, event.content());
            }
            if (event.isLast()) {
                inPart = false;
                closeFile();
            }
        } catch (IOException | AdapterNameRefused e) {
            throw Exceptions.propagate(e);
        } finally {
            DataBufferUtils.release(event.content());
        }
    }

    private void begin(PartEvent event) throws IOException, AdapterNameRefused {
        if (event.name().equals(NAME)) {
            name(event);
            return;
        }
        for (Part part : Part.values()) {
            if (event.name().equals(part.field())) {
                file(part, event);
                return;
            }
        }
        throw RequestFields.invalid(
                event.name(),
                "Unknown part '"
                        + event.name()
                        + "': an upload has the parts name, adapter_config and adapter_model.");
    }

    private void name(PartEvent event) throws AdapterNameRefused {
        if (!(event instanceof FormPartEvent text)) {
            throw RequestFields.invalid(NAME, "The part 'name' must be a text, not a file.");
        }
        if (name != null) {
            throw twice(NAME);
        }
        if (text.value().length() > LONGEST_NAME) {
            throw RequestFields.invalid(NAME, "The part 'name' is too long for an adapter's name.");
        }
        // Before the large parts, where the client sends the name first.
        adapters.checkName(tenant, text.value());
        name = text.value();
    }

    private void file(Part part, PartEvent event) throws IOException {
        if (!(event instanceof FilePartEvent)) {
            throw RequestFields.invalid(
                    part.field(),
                    "The part '%s' must be a file, as curl -F %s=@FILE sends it."
                            .formatted(part.field(), part.field()));
        }
        if (!received.add(part)) {
            throw twice(part.field());
        }
        file = upload.open(part);
    }

    private static Refusal twice(String part) {
        return RequestFields.invalid(part, "The part '" + part + "' was sent twice.");
    }

    private static void write(WritableByteChannel file, DataBuffer content) throws IOException {
        try (DataBuffer.ByteBufferIterator pieces = content.readableByteBuffers()) {
            while (pieces.hasNext()) {
                ByteBuffer piece = pieces.next();
                while (piece.hasRemaining()) {
                    file.write(piece);
                }
            }
        }
    }

    private void closeFile() throws IOException {
        WritableByteChannel open = file;
        file = null;
        if (open != null) {
            open.close();
        }
    }

    /** To be called when the form has come to its end. */
    synchronized Adapter publish() throws AdapterRejected, AdapterNameRefused, IOException {
        if (name == null) {
            throw missing(NAME);
        }
        for (Part part : Part.values()) {
            if (!received.contains(part)) {
                throw missing(part.field());
            }
        }
        return adapters.publish(tenant, name, upload);
    }

    private static Refusal missing(String part) {
        return RequestFields.invalid(part, "The part '" + part + "' is missing.");
    }

    /** Leaves nothing behind but what was published. */
    synchronized boolean end() throws IOException {
        try {
            closeFile();
        } finally {
            upload.close();
        }
        return true;
    }
}
