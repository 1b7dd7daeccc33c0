package dev.aril.engine.kernels;

import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Norm weights, rotary tables and channel orders, copied when they are first seen. The host's array
 * is the key, by identity: once nobody holds it any more, nobody can ask for the copy, and its
 * memory is given back. So layers that come and go leave nothing behind.
 */
final class CudaConstants {
    /** An array by identity that does not keep it alive. */
    private static final class Key extends WeakReference<Object> {
        private final int hash;

        Key(Object array, @Nullable ReferenceQueue<Object> queue) {
            super(array, queue);
            hash = System.identityHashCode(array);
        }

        @Override
        public int hashCode() {
            return hash;
        }

        /** Of two whose arrays are gone, only the same. */
        @Override
        public boolean equals(@Nullable Object other) {
            if (this == other) {
                return true;
            }
            Object own = get();
            return other instanceof Key key && own != null && own == key.get();
        }
    }

    private final DeviceMemory memory;
    private final CudaStream stream;
    private final CudaUploads uploads;
    private final ReferenceQueue<Object> gone = new ReferenceQueue<>();
    private final Map<Key, Long> addresses = new HashMap<>();

    CudaConstants(DeviceMemory memory, CudaStream stream, CudaUploads uploads) {
        this.memory = memory;
        this.stream = stream;
        this.uploads = uploads;
    }

    /** The array's address on the device. */
    long of(float[] values) {
        return of(values, values.length, address -> uploads.copy(address, values));
    }

    /** The array's address on the device. */
    long of(int[] values) {
        return of(values, values.length, address -> uploads.copy(address, values));
    }

    /**
     * @param length values of four bytes
     */
    private long of(Object array, int length, LongConsumer copy) {
        Long known = addresses.get(new Key(array, null));
        if (known != null) {
            return known;
        }
        release();
        long address = memory.allocate(4L * length);
        copy.accept(address);
        addresses.put(new Key(array, gone), address);
        return address;
    }

    /** Gives back what arrays left that are gone, once no queued kernel reads it. */
    private void release() {
        boolean waited = false;
        for (Reference<?> key = gone.poll(); key != null; key = gone.poll()) {
            Long address = addresses.remove((Key) key);
            if (address == null) {
                continue;
            }
            if (!waited) {
                stream.synchronize();
                waited = true;
            }
            memory.free(address);
        }
    }
}
