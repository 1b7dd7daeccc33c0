package dev.aril.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/** The kernels of one {@code .cu} file, as the build compiled them into this jar. */
public final class CudaModule implements AutoCloseable {
    /**
     * A kernel to launch.
     *
     * @param address the driver's handle
     */
    public record Kernel(String name, long address) {}

    /** With its handle, which JCuda keeps to itself. */
    private static final class Handle extends CUfunction {
        long address() {
            return getNativePointer();
        }
    }

    private final String name;
    private final CUmodule module = new CUmodule();

    /**
     * Loads a file's kernels into the context bound to the calling thread.
     *
     * @param name the file's, without {@code .cu}
     * @throws IllegalStateException if this build has none
     */
    public CudaModule(String name) {
        this.name = name;
        CudaException.check(
                "cuModuleLoadData " + name, JCudaDriver.cuModuleLoadData(module, image(name)));
    }

    /** Whether this build has a file's kernels. */
    public static boolean packaged(String name) {
        return CudaModule.class.getResource(name + ".fatbin") != null;
    }

    private static byte[] image(String name) {
        try (InputStream in = CudaModule.class.getResourceAsStream(name + ".fatbin")) {
            if (in == null) {
                throw new IllegalStateException(
                        "this build has no kernels (" + name + "): build it where nvcc is");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A kernel by its C name. */
    public Kernel kernel(String symbol) {
        return new Kernel(symbol, function(symbol).address());
    }

    /**
     * A kernel by its C name.
     *
     * @param shared bytes of dynamic shared memory it may be launched with
     */
    public Kernel kernel(String symbol, int shared) {
        Handle function = function(symbol);
        CudaException.check(
                "cuFuncSetAttribute " + symbol,
                JCudaDriver.cuFuncSetAttribute(
                        function,
                        CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                        shared));
        return new Kernel(symbol, function.address());
    }

    private Handle function(String symbol) {
        Handle function = new Handle();
        CudaException.check(
                "cuModuleGetFunction " + name + "." + symbol,
                JCudaDriver.cuModuleGetFunction(function, module, symbol));
        return function;
    }

    @Override
    public void close() {
        CudaException.check("cuModuleUnload " + name, JCudaDriver.cuModuleUnload(module));
    }
}
