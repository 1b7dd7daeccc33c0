package dev.aril.cuda;

import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * Work the device does in order, while the host goes on. One thread at a time; its context must be
 * bound. Device memory is named by address.
 */
public final class CudaStream implements AutoCloseable {
    private static final CUdeviceptr ZERO = new CUdeviceptr();

    private final CUstream stream = new CUstream();
    private long waitedNanos;

    /** Waits for no other stream. */
    public CudaStream() {
        CudaException.check(
                "cuStreamCreate",
                JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING));
    }

    /** Copies the buffer's first bytes to the device. */
    public void copyIn(long to, PinnedBuffer from, long bytes) {
        CudaException.check(
                "cuMemcpyHtoDAsync",
                JCudaDriver.cuMemcpyHtoDAsync(
                        ZERO.withByteOffset(to), from.pointer, bytes, stream));
    }

    /** Copies from the device to the buffer's begin. */
    public void copyOut(PinnedBuffer to, long from, long bytes) {
        CudaException.check(
                "cuMemcpyDtoHAsync",
                JCudaDriver.cuMemcpyDtoHAsync(
                        to.pointer, ZERO.withByteOffset(from), bytes, stream));
    }

    /** Copies within the device. */
    public void copy(long to, long from, long bytes) {
        CudaException.check(
                "cuMemcpyDtoDAsync",
                JCudaDriver.cuMemcpyDtoDAsync(
                        ZERO.withByteOffset(to), ZERO.withByteOffset(from), bytes, stream));
    }

    /** Zeroes. */
    public void clear(long at, long bytes) {
        CudaException.check(
                "cuMemsetD8Async",
                JCudaDriver.cuMemsetD8Async(ZERO.withByteOffset(at), (byte) 0, bytes, stream));
    }

    /**
     * Starts a kernel.
     *
     * @param shared bytes of dynamic shared memory
     * @param arguments read before this returns
     */
    public void launch(
            CudaModule.Kernel kernel,
            int gridX,
            int gridY,
            int gridZ,
            int block,
            int shared,
            Arguments arguments) {
        int result =
                JCudaDriver.cuLaunchKernel(
                        kernel.function(),
                        gridX,
                        gridY,
                        gridZ,
                        block,
                        1,
                        1,
                        shared,
                        stream,
                        arguments.pointer(),
                        null);
        if (result != 0) {
            CudaException.check("cuLaunchKernel " + kernel.name(), result);
        }
    }

    public void record(CudaEvent event) {
        CudaException.check("cuEventRecord", JCudaDriver.cuEventRecord(event.event, stream));
    }

    /** Waits for all work; where an earlier kernel failed, this says so. */
    public void synchronize() {
        long start = System.nanoTime();
        int result = JCudaDriver.cuStreamSynchronize(stream);
        waitedNanos += System.nanoTime() - start;
        CudaException.check("cuStreamSynchronize", result);
    }

    /** Time spent in {@link #synchronize}: what a step took beyond it, the host did. */
    public long waitedNanos() {
        return waitedNanos;
    }

    @Override
    public void close() {
        CudaException.check("cuStreamDestroy", JCudaDriver.cuStreamDestroy(stream));
    }
}
