package dev.aril.engine.kernels;

import dev.aril.cuda.CudaContext;
import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaModule.Kernel;

/** The kernels by what they do; their heads, in {@code cuda/src/main/cuda}, say the rest. */
final class CudaPrograms implements AutoCloseable {
    /** Dynamic shared memory that every supported device has. */
    static final int SHARED_BYTES = 96 << 10;

    /** Row tiles that products are compiled for. */
    static final int[] TOKENS = {8, 16, 32, 64};

    /**
     * With this property set to true compute capability 9.0 gets the products, head and sampling of
     * older ones, so that they can be tested there.
     */
    static final String PORTABLE = "aril.cuda.portable";

    private final CudaModules modules = new CudaModules();

    final Kernel embed = modules.load("embed").kernel("embed");
    final Kernel normalize = modules.load("normalize").kernel("normalize", SHARED_BYTES);
    final Kernel silu = modules.load("silu").kernel("silu");

    /** The adapters' kernels, for few rows of an adapter and for many. */
    final Kernel loraShrink;

    final Kernel loraShrinkWide;
    final Kernel loraExpand;
    final Kernel loraExpandWide;

    CudaPrograms() {
        CudaModule shrink = modules.load("lora_shrink");
        loraShrink = shrink.kernel("lora_shrink_8", SHARED_BYTES);
        loraShrinkWide = shrink.kernel("lora_shrink_64", SHARED_BYTES);
        CudaModule expand = modules.load("lora_expand");
        loraExpand = expand.kernel("lora_expand_8", SHARED_BYTES);
        loraExpandWide = expand.kernel("lora_expand_64", SHARED_BYTES);
    }

    /** Whether to take the kernels that are written for compute capability 9.0 alone. */
    static boolean hopper(CudaContext context) {
        return context.device().major() == 9 && !Boolean.getBoolean(PORTABLE);
    }

    /** Index of the narrowest row tile that holds so many rows, or of the widest. */
    static int tile(int rows) {
        int i = 0;
        while (i + 1 < TOKENS.length && TOKENS[i] < rows) {
            i++;
        }
        return i;
    }

    /** Whether this build has kernels at all. */
    static boolean packaged() {
        return CudaModule.packaged("pack_int4");
    }

    @Override
    public void close() {
        modules.close();
    }
}
