package dev.aril.cuda;

import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.JCudaDriver;

/** The primary context of a device. Any thread may use what is in it after {@link #bind}. */
public final class CudaContext implements AutoCloseable {
    private final CudaDevice.Usable device;
    private final CUdevice handle = new CUdevice();
    private final CUcontext context = new CUcontext();

    private CudaContext(CudaDevice.Usable device) {
        this.device = device;
        CudaException.check("cuDeviceGet", JCudaDriver.cuDeviceGet(handle, device.ordinal()));
        CudaException.check(
                "cuDevicePrimaryCtxRetain", JCudaDriver.cuDevicePrimaryCtxRetain(context, handle));
    }

    /** Retains the context and binds it to the calling thread. */
    public static CudaContext open(CudaDevice.Usable device) {
        CudaContext opened = new CudaContext(device);
        opened.bind();
        return opened;
    }

    public CudaDevice.Usable device() {
        return device;
    }

    /** Makes this the calling thread's context, which every other call here needs. */
    public void bind() {
        CudaException.check("cuCtxSetCurrent", JCudaDriver.cuCtxSetCurrent(context));
    }

    /** Bytes of the device nobody has taken, other processes included. */
    public long freeBytes() {
        long[] free = new long[1];
        long[] total = new long[1];
        CudaException.check("cuMemGetInfo", JCudaDriver.cuMemGetInfo(free, total));
        return free[0];
    }

    /** How many streaming multiprocessors the device has. */
    public int multiprocessors() {
        int[] count = new int[1];
        CudaException.check(
                "cuDeviceGetAttribute",
                JCudaDriver.cuDeviceGetAttribute(
                        count,
                        CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
                        handle));
        return count[0];
    }

    /** Releases the context; what was made in it must be closed before. */
    @Override
    public void close() {
        CudaException.check(
                "cuDevicePrimaryCtxRelease", JCudaDriver.cuDevicePrimaryCtxRelease(handle));
    }
}
