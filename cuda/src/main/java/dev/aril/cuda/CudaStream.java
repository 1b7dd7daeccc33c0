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

    /** With its handle, which JCuda keeps to itself. */
    private static final class Handle extends CUstream {
        long address() {
            return getNativePointer();
        }
    }

    private final Handle stream = new Handle();
    private final Launcher launcher;
    private long waitedNanos;

    /** Waits for no other stream; a kernel waits for all before it. */
    public CudaStream() {
        this(false);
    }

    /**
     * Waits for no other stream.
     *
     * @param overlap whether a kernel may begin before the one ahead of it has ended: it waits
     *     itself before it reads what others wrote (programmatic dependent launch)
     */
    public CudaStream(boolean overlap) {
        CudaException.check(
                "cuStreamCreate",
                JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING));
        launcher = new Launcher(stream.address(), overlap);
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
                launcher.launch(
                        kernel.address(), gridX, gridY, gridZ, block, shared, arguments.pointer());
        if (result != 0) {
            CudaException.check("cuLaunchKernelEx " + kernel.name(), result);
        }
    }

    /** Records what is put on this stream meanwhile, for {@link #launch(CudaGraph)}. */
    public CudaGraph record(Runnable work) {
        return CudaGraph.record(stream, work);
    }

    public void launch(CudaGraph graph) {
        graph.launch(stream);
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
