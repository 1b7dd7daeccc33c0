package dev.aril.engine.kernels;

import dev.aril.cuda.CudaEvent;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.cuda.PinnedBuffer;
import java.nio.ByteBuffer;

/**
 * A few numbers a step needs on the device: written into pinned memory, copied in the stream's
 * order. Grows with the largest step.
 */
final class CudaInlet implements AutoCloseable {
    private static final int FIRST_BYTES = 64 << 10;

    private final DeviceMemory memory;
    private final CudaStream stream;
    private final CudaEvent copied = new CudaEvent();
    private PinnedBuffer host = new PinnedBuffer(FIRST_BYTES);
    private long address;

    CudaInlet(DeviceMemory memory, CudaStream stream) {
        this.memory = memory;
        this.stream = stream;
        this.address = memory.allocate(FIRST_BYTES);
    }

    /** Waits until what was sent last has left the buffer, and gives it to be written. */
    ByteBuffer open(int bytes) {
        copied.synchronize();
        if (bytes > host.size()) {
            int size = Math.max(bytes, 2 * host.size());
            stream.synchronize(); // nobody reads the old ones
            host.close();
            memory.free(address);
            host = new PinnedBuffer(size);
            address = memory.allocate(size);
        }
        return host.bytes();
    }

    void send(int bytes) {
        stream.copyIn(address, host, bytes);
        stream.record(copied);
    }

    long address() {
        return address;
    }

    @Override
    public void close() {
        copied.close();
        host.close();
    }
}
