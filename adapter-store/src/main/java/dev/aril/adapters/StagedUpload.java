package dev.aril.adapters;

import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterRejected.Part;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An upload on its way in: a private folder that is gone after {@link #close} unless published. */
public final class StagedUpload implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StagedUpload.class);

    private final Path folder;
    private final Map<Part, Long> limits;
    private final Map<Part, PartChannel> channels = new ConcurrentHashMap<>();

    StagedUpload(Path folder, AdapterStoreSettings settings) {
        this.folder = folder;
        this.limits =
                Map.of(Part.CONFIG, settings.configBytes(), Part.MODEL, settings.modelBytes());
    }

    /**
     * Where one of the two files is written; its {@code close} makes the bytes durable.
     *
     * @return a channel that throws {@link UploadTooLarge} instead of writing past the limit
     * @throws IllegalStateException if the part was opened before
     */
    public WritableByteChannel open(Part part) throws IOException {
        PartChannel channel = new PartChannel(part, limits.getOrDefault(part, 0L));
        if (channels.putIfAbsent(part, channel) != null) {
            throw new IllegalStateException(part.field() + " was opened before");
        }
        channel.start(folder.resolve(AdapterFiles.fileName(part)));
        return channel;
    }

    /**
     * Makes the folder's entries durable.
     *
     * @return bytes of both files
     * @throws AdapterRejected if a file was not uploaded
     */
    long seal() throws AdapterRejected, IOException {
        long bytes = 0;
        for (Part part : Part.values()) {
            PartChannel channel = channels.get(part);
            if (channel == null) {
                throw new AdapterRejected(
                        part,
                        part.field() + ": the file " + AdapterFiles.fileName(part) + " is missing");
            }
            if (channel.isOpen()) {
                throw new IllegalStateException(part.field() + " is still being written");
            }
            bytes += channel.written;
        }
        AdapterFiles.force(folder);
        return bytes;
    }

    Path folder() {
        return folder;
    }

    /** Deletes what was not published. */
    @Override
    public void close() {
        try {
            for (PartChannel channel : channels.values()) {
                channel.abandon();
            }
            AdapterFiles.deleteTree(folder);
        } catch (IOException e) {
            // The next start sweeps it away; the caller's own outcome matters more.
            LOG.warn("the staged upload {} cannot be deleted: {}", folder, e.toString());
        }
    }

    /** Writes one file up to its limit. */
    private static final class PartChannel implements WritableByteChannel {
        private final Part part;
        private final long limit;
        private volatile @Nullable FileChannel file;
        private volatile long written;

        PartChannel(Part part, long limit) {
            this.part = part;
            this.limit = limit;
        }

        void start(Path path) throws IOException {
            file = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        }

        @Override
        public int write(ByteBuffer source) throws IOException {
            FileChannel out = file;
            if (out == null) {
                throw new IOException(part.field() + " could not be created");
            }
            if (source.remaining() > limit - written) {
                throw new UploadTooLarge(part, limit);
            }
            int count = out.write(source);
            written += count;
            return count;
        }

        @Override
        public boolean isOpen() {
            FileChannel out = file;
            return out != null && out.isOpen();
        }

        /** Closes without making durable what is to be deleted. */
        void abandon() throws IOException {
            FileChannel out = file;
            if (out != null) {
                out.close();
            }
        }

        @Override
        public void close() throws IOException {
            FileChannel out = file;
            if (out != null && out.isOpen()) {
                try (out) {
                    out.force(true);
                }
            }
        }
    }
}
