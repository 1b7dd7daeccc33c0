package dev.aril.engine.kernels;

import dev.aril.cuda.CudaException;
import org.jspecify.annotations.Nullable;

/** What is on a device is given back part by part. */
final class CudaParts {
    private CudaParts() {}

    /**
     * In this order, and all of them even if one fails.
     *
     * @throws CudaException the first failure
     */
    static void close(Runnable... parts) {
        @Nullable CudaException failure = null;
        for (Runnable part : parts) {
            try {
                part.run();
            } catch (CudaException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }
}
