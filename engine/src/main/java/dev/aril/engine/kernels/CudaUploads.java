package dev.aril.engine.kernels;

import dev.aril.cuda.CudaContext;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.PinnedBuffer;
import java.nio.ByteBuffer;

/**
 * Weights and adapters on their way to the device, on a stream of their own: any thread may copy
 * while steps run. What was copied is there when a method returns.
 */
final class CudaUploads implements AutoCloseable {
    private static final int STAGING_BYTES = 8 << 20;

    /** Writes elements from .. from + count - 1 to the buffer's begin. */
    private interface Source {
        void put(ByteBuffer to, int from, int count);
    }

    private final CudaContext context;
    private final CudaStream stream = new CudaStream();
    private final PinnedBuffer staging = new PinnedBuffer(STAGING_BYTES);

    CudaUploads(CudaContext context) {
        this.context = context;
    }

    void copy(long to, byte[] from) {
        copy(to, from.length, 1, (buffer, at, count) -> buffer.put(0, from, at, count));
    }

    void copy(long to, short[] from) {
        copy(
                to,
                from.length,
                2,
                (buffer, at, count) -> buffer.asShortBuffer().put(0, from, at, count));
    }

    /** Elements first .. first + count - 1. */
    void copy(long to, short[] from, int first, int count) {
        copy(
                to,
                count,
                2,
                (buffer, at, some) -> buffer.asShortBuffer().put(0, from, first + at, some));
    }

    void copy(long to, int[] from) {
        copy(
                to,
                from.length,
                4,
                (buffer, at, count) -> buffer.asIntBuffer().put(0, from, at, count));
    }

    void copy(long to, long[] from) {
        copy(
                to,
                from.length,
                8,
                (buffer, at, count) -> buffer.asLongBuffer().put(0, from, at, count));
    }

    void copy(long to, float[] from) {
        copy(
                to,
                from.length,
                4,
                (buffer, at, count) -> buffer.asFloatBuffer().put(0, from, at, count));
    }

    private synchronized void copy(long to, int length, int size, Source source) {
        context.bind();
        int most = STAGING_BYTES / size;
        for (int at = 0; at < length; at += most) {
            int count = Math.min(most, length - at);
            source.put(staging.bytes(), at, count);
            stream.copyIn(to + (long) at * size, staging, (long) count * size);
            stream.synchronize();
        }
    }

    synchronized void clear(long at, long bytes) {
        context.bind();
        stream.clear(at, bytes);
        stream.synchronize();
    }

    /** A load under way ends first. */
    @Override
    public synchronized void close() {
        context.bind();
        staging.close();
        stream.close();
    }
}
