package dev.aril.cuda;

import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;

/**
 * One allocation of the driver's, handed out in pieces: so that how much there is is known from the
 * start, and running out of it is an answer and not a surprise. Safe for any number of threads;
 * that nobody still reads a freed piece is the caller's care.
 */
public final class DeviceMemory implements AutoCloseable {
    /**
     * With this property set to true every piece is an allocation of the driver's own, so that a
     * memory checker knows where each ends.
     */
    public static final String SEPARATE = "aril.cuda.separatePieces";

    /** Pieces begin at multiples of this. */
    public static final int ALIGNMENT = 256;

    private static final class Base extends CUdeviceptr {
        long address() {
            return getNativePointer() + getByteOffset();
        }
    }

    /** An allocation of its own. */
    private record Piece(Base base, long bytes) {}

    private final boolean separate = Boolean.getBoolean(SEPARATE);
    private final Base base = new Base();
    private final Map<Long, Piece> pieces = new HashMap<>();
    private final long capacity;
    private long used;

    /** Length by address. */
    private final TreeMap<Long, Long> free = new TreeMap<>();

    private final Map<Long, Long> taken = new HashMap<>();

    /**
     * @param context bound to the calling thread
     * @param capacity bytes, rounded down to whole pieces
     */
    public DeviceMemory(CudaContext context, long capacity) {
        this.capacity = capacity / ALIGNMENT * ALIGNMENT;
        if (this.capacity <= 0 || this.capacity > context.freeBytes()) {
            throw new OutOfDeviceMemory(
                    capacity,
                    context.device().memoryBytes() - context.freeBytes(),
                    context.device().memoryBytes());
        }
        if (!separate) {
            take(base, this.capacity);
            free.put(base.address(), this.capacity);
        }
    }

    private static void take(Base base, long bytes) {
        CudaException.check("cuMemAlloc", JCudaDriver.cuMemAlloc(base, bytes));
    }

    /**
     * Takes a piece; its content is arbitrary.
     *
     * @return its device address
     * @throws OutOfDeviceMemory if no hole is large enough
     */
    public synchronized long allocate(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("bytes must not be negative: " + bytes);
        }
        if (separate) {
            if (used + bytes > capacity) {
                throw new OutOfDeviceMemory(bytes, used, capacity);
            }
            Base piece = new Base();
            take(piece, Math.max(1, bytes));
            pieces.put(piece.address(), new Piece(piece, bytes));
            used += bytes;
            return piece.address();
        }
        long length = Math.max(1, (bytes + ALIGNMENT - 1) / ALIGNMENT) * ALIGNMENT;
        for (Map.Entry<Long, Long> hole : free.entrySet()) {
            if (hole.getValue() >= length) {
                long address = hole.getKey();
                long rest = hole.getValue() - length;
                free.remove(address);
                if (rest > 0) {
                    free.put(address + length, rest);
                }
                taken.put(address, length);
                used += length;
                return address;
            }
        }
        throw new OutOfDeviceMemory(bytes, used, capacity);
    }

    /** Gives a piece back. */
    public synchronized void free(long address) {
        Piece piece = pieces.remove(address);
        if (piece != null) {
            give(piece.base());
            used -= piece.bytes();
            return;
        }
        Long length = taken.remove(address);
        if (length == null) {
            throw new IllegalStateException("no piece begins at " + Long.toHexString(address));
        }
        used -= length;
        long from = address;
        long size = length;
        Map.Entry<Long, Long> before = free.lowerEntry(address);
        if (before != null && before.getKey() + before.getValue() == address) {
            from = before.getKey();
            size += before.getValue();
        }
        Long after = free.remove(address + length);
        free.put(from, size + (after == null ? 0 : after));
    }

    /** Bytes of the largest piece that {@link #allocate} would hand out. */
    public synchronized long largest() {
        return separate
                ? capacity - used
                : free.values().stream().mapToLong(length -> length).max().orElse(0);
    }

    public synchronized long used() {
        return used;
    }

    public long capacity() {
        return capacity;
    }

    @Override
    public synchronized void close() {
        pieces.values().forEach(piece -> give(piece.base()));
        if (!separate) {
            give(base);
        }
    }

    private static void give(Base base) {
        CudaException.check("cuMemFree", JCudaDriver.cuMemFree(base));
    }
}
