package dev.aril.cuda;

import jcuda.driver.CUevent;
import jcuda.driver.JCudaDriver;

/** A point in a stream's work. */
public final class CudaEvent implements AutoCloseable {
    final CUevent event = new CUevent();

    /**
     * Of a context bound to the calling thread; waiting for an unrecorded event returns at once.
     */
    public CudaEvent() {
        CudaException.check("cuEventCreate", JCudaDriver.cuEventCreate(event, 0));
    }

    /** Waits until the device has passed the point. */
    public void synchronize() {
        CudaException.check("cuEventSynchronize", JCudaDriver.cuEventSynchronize(event));
    }

    /** Milliseconds the device took from an earlier point to this one. */
    public float millisecondsSince(CudaEvent earlier) {
        float[] milliseconds = new float[1];
        CudaException.check(
                "cuEventElapsedTime",
                JCudaDriver.cuEventElapsedTime(milliseconds, earlier.event, event));
        return milliseconds[0];
    }

    @Override
    public void close() {
        CudaException.check("cuEventDestroy", JCudaDriver.cuEventDestroy(event));
    }
}
