package dev.aril.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;

/** Host memory the device copies from and to while the host goes on. */
public final class PinnedBuffer implements AutoCloseable {
    final Pointer pointer = new Pointer();
    private final ByteBuffer bytes;

    /** Of a context bound to the calling thread. */
    public PinnedBuffer(int size) {
        CudaException.check("cuMemHostAlloc", JCudaDriver.cuMemHostAlloc(pointer, size, 0));
        bytes = pointer.getByteBuffer(0, size).order(ByteOrder.nativeOrder());
    }

    /** The memory; dead once this is closed. */
    public ByteBuffer bytes() {
        return bytes;
    }

    public int size() {
        return bytes.capacity();
    }

    @Override
    public void close() {
        CudaException.check("cuMemFreeHost", JCudaDriver.cuMemFreeHost(pointer));
    }
}
