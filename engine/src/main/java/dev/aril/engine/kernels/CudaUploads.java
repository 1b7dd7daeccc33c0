package dev.aril.engine.kernels;

import dev.aril.cuda.CudaContext;
import dev.aril.cuda.CudaEvent;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.PinnedBuffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

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

    /** Most bytes of a {@link Piece}. */
    static final int PIECE_BYTES = 1 << 20;

    /** Pieces are written by so many threads, into as many buffers. */
    private static final int WRITERS =
            Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 1, 8);

    /**
     * Bytes that are made as they are copied.
     *
     * @param at from the destination's begin, a multiple of 16
     * @param bytes at most {@link #PIECE_BYTES}
     */
    record Piece(long at, int bytes, Content content) {}

    interface Content {
        /** Writes all of the buffer; on any thread. */
        void write(ByteBuffer to);
    }

    /** A pinned buffer and when its last copy has left it. */
    private record Slot(PinnedBuffer buffer, CudaEvent left) {}

    private final CudaContext context;
    private final CudaStream stream = new CudaStream();
    private final PinnedBuffer staging = new PinnedBuffer(STAGING_BYTES);
    private final BlockingQueue<Slot> slots = new ArrayBlockingQueue<>(2 * WRITERS);

    CudaUploads(CudaContext context) {
        this.context = context;
        while (slots.remainingCapacity() > 0) {
            slots.add(new Slot(new PinnedBuffer(PIECE_BYTES), new CudaEvent()));
        }
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

    /**
     * Copies pieces, in any order, each as soon as it is written: writing and copying overlap, and
     * several threads write. Other copies take their turns between the pieces.
     */
    void copy(long to, List<Piece> pieces) {
        try (ExecutorService writers =
                Executors.newFixedThreadPool(
                        WRITERS,
                        task -> Thread.ofPlatform().daemon().name("upload").unstarted(task))) {
            List<Future<?>> all = new ArrayList<>();
            for (Piece piece : pieces) {
                all.add(writers.submit(() -> copy(to, piece)));
            }
            for (Future<?> one : all) {
                one.get();
            }
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause
                    ? cause
                    : new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while an adapter was copied", e);
        } finally {
            synchronize();
        }
    }

    private void copy(long to, Piece piece) {
        context.bind();
        Slot slot;
        try {
            slot = slots.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while an adapter was copied", e);
        }
        try {
            slot.left().synchronize();
            ByteBuffer bytes = slot.buffer().bytes().slice(0, piece.bytes());
            piece.content().write(bytes.order(ByteOrder.nativeOrder()));
            synchronized (this) {
                stream.copyIn(to + piece.at(), slot.buffer(), piece.bytes());
                stream.record(slot.left());
            }
        } finally {
            slots.add(slot);
        }
    }

    private synchronized void synchronize() {
        context.bind();
        stream.synchronize();
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
        stream.synchronize();
        for (Slot slot : slots) {
            slot.left().close();
            slot.buffer().close();
        }
        staging.close();
        stream.close();
    }
}
