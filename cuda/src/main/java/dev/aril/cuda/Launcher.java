package dev.aril.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * {@code cuLaunchKernelEx}, which JCuda does not bind: it alone lets a kernel begin before the one
 * ahead of it has ended (programmatic dependent launch, compute capability 9.0). One for each
 * stream, because its structs are reused: a launch makes no garbage.
 */
final class Launcher {
    /** The driver's library by the name its package installs, which the loader alone resolves. */
    private static final String LIBRARY = "libcuda.so.1";

    /** CUlaunchConfig: 7 ints, the stream, the attributes and their number. */
    private static final int CONFIG_BYTES = 56;

    private static final int STREAM = 32;
    private static final int ATTRIBUTES = 40;
    private static final int ATTRIBUTE_COUNT = 48;

    /** CUlaunchAttribute: an id and, after 8 bytes, a value of 64. */
    private static final int ATTRIBUTE_BYTES = 72;

    /** CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION. */
    private static final int PROGRAMMATIC = 6;

    private static final MethodHandle LAUNCH =
            Linker.nativeLinker()
                    .downcallHandle(
                            SymbolLookup.libraryLookup(LIBRARY, Arena.global())
                                    .findOrThrow("cuLaunchKernelEx"),
                            FunctionDescriptor.of(
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.ADDRESS,
                                    ValueLayout.JAVA_LONG,
                                    ValueLayout.ADDRESS,
                                    ValueLayout.ADDRESS));

    private final MemorySegment config = Arena.ofAuto().allocate(CONFIG_BYTES, 8);
    private final MemorySegment attribute = Arena.ofAuto().allocate(ATTRIBUTE_BYTES, 8);

    /**
     * @param stream the driver's handle
     * @param overlap whether kernels may begin early
     */
    Launcher(long stream, boolean overlap) {
        config.set(ValueLayout.JAVA_LONG, STREAM, stream);
        config.set(ValueLayout.JAVA_LONG, ATTRIBUTES, attribute.address());
        config.set(ValueLayout.JAVA_INT, ATTRIBUTE_COUNT, overlap ? 1 : 0);
        attribute.set(ValueLayout.JAVA_INT, 0, PROGRAMMATIC);
        attribute.set(ValueLayout.JAVA_INT, 8, 1);
    }

    /**
     * @param function the driver's handle
     * @return the driver's answer
     */
    int launch(
            long function, int x, int y, int z, int threads, int shared, MemorySegment parameters) {
        config.setAtIndex(ValueLayout.JAVA_INT, 0, x);
        config.setAtIndex(ValueLayout.JAVA_INT, 1, y);
        config.setAtIndex(ValueLayout.JAVA_INT, 2, z);
        config.setAtIndex(ValueLayout.JAVA_INT, 3, threads);
        config.setAtIndex(ValueLayout.JAVA_INT, 4, 1);
        config.setAtIndex(ValueLayout.JAVA_INT, 5, 1);
        config.setAtIndex(ValueLayout.JAVA_INT, 6, shared);
        try {
            return (int) LAUNCH.invokeExact(config, function, parameters, MemorySegment.NULL);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError("a call of the driver throws nothing", e);
        }
    }
}
