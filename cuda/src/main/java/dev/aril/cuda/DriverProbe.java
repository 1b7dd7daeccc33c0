package dev.aril.cuda;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** Asks the driver what device there is. */
final class DriverProbe {
    // Once: a failed load throws UnsatisfiedLinkError the first time and NoClassDefFoundError,
    // which
    // no longer tells why, each time after.
    static final CudaDevice ANSWER = ask();

    private static final String NO_DEVICE =
            "the driver sees no device; CUDA_VISIBLE_DEVICES may hide it";

    private DriverProbe() {}

    private static CudaDevice ask() {
        try {
            PrivateNatives.load();
            return firstDevice();
        } catch (LinkageError e) {
            return new CudaDevice.Unusable(whyNotLinked(e));
        } catch (IOException | UncheckedIOException e) {
            return new CudaDevice.Unusable("JCuda's library could not be unpacked: " + e);
        } catch (DriverRefused e) {
            return new CudaDevice.Unusable(e.getMessage());
        }
    }

    private static CudaDevice firstDevice() throws DriverRefused {
        JCudaDriver.setExceptionsEnabled(false);
        check("cuInit", JCudaDriver.cuInit(0));
        int[] version = new int[1];
        check("cuDriverGetVersion", JCudaDriver.cuDriverGetVersion(version));
        int[] count = new int[1];
        check("cuDeviceGetCount", JCudaDriver.cuDeviceGetCount(count));
        if (count[0] == 0) {
            throw new DriverRefused(NO_DEVICE);
        }
        CUdevice device = new CUdevice();
        check("cuDeviceGet", JCudaDriver.cuDeviceGet(device, 0));
        byte[] name = new byte[256];
        check("cuDeviceGetName", JCudaDriver.cuDeviceGetName(name, name.length, device));
        int[] major = new int[1];
        check(
                "cuDeviceGetAttribute",
                JCudaDriver.cuDeviceGetAttribute(major, COMPUTE_CAPABILITY_MAJOR, device));
        int[] minor = new int[1];
        check(
                "cuDeviceGetAttribute",
                JCudaDriver.cuDeviceGetAttribute(minor, COMPUTE_CAPABILITY_MINOR, device));
        long[] bytes = new long[1];
        check("cuDeviceTotalMem", JCudaDriver.cuDeviceTotalMem(bytes, device));
        var found = new CudaDevice.Usable(0, text(name), major[0], minor[0], bytes[0], version[0]);
        if (found.major() < CudaDevice.OLDEST_MAJOR) {
            throw new DriverRefused(
                    String.format(
                            Locale.ROOT,
                            "%s has compute capability %d.%d; the kernels need %d.0 or newer",
                            found.name(),
                            found.major(),
                            found.minor(),
                            CudaDevice.OLDEST_MAJOR));
        }
        return found;
    }

    private static final int COMPUTE_CAPABILITY_MAJOR =
            jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
    private static final int COMPUTE_CAPABILITY_MINOR =
            jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;

    private static void check(String call, int result) throws DriverRefused {
        if (result == CUresult.CUDA_ERROR_NO_DEVICE) {
            throw new DriverRefused(NO_DEVICE);
        }
        if (result != CUresult.CUDA_SUCCESS) {
            throw new DriverRefused(call + " answered " + CUresult.stringFor(result));
        }
    }

    private static String text(byte[] terminated) {
        int end = 0;
        while (end < terminated.length && terminated[end] != 0) {
            end++;
        }
        return new String(terminated, 0, end, StandardCharsets.UTF_8);
    }

    /** The dynamic linker's own line out of JCuda's page of nested stack traces. */
    private static String whyNotLinked(LinkageError e) {
        return String.valueOf(e.getMessage())
                .lines()
                .filter(line -> line.contains("libcuda"))
                .map(line -> "no NVIDIA driver: " + line.substring(line.indexOf("libcuda")))
                .findFirst()
                .orElseGet(() ->
                        "JCuda's library does not load on "
                                + System.getProperty("os.name")
                                + " "
                                + System.getProperty("os.arch")
                                + ": "
                                + firstLine(e));
    }

    private static String firstLine(Throwable e) {
        return e.toString().lines().findFirst().orElse(e.getClass().getName());
    }

    private static final class DriverRefused extends Exception {
        private static final long serialVersionUID = 1L;

        DriverRefused(String message) {
            super(message);
        }

        @Override
        public String getMessage() {
            return String.valueOf(super.getMessage());
        }
    }
}
