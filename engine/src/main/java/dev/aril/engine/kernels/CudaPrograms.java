package dev.aril.engine.kernels;

import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaModule.Kernel;
import java.util.ArrayList;
import java.util.List;

/** The kernels by what they do; their heads, in {@code cuda/src/main/cuda}, say the rest. */
final class CudaPrograms implements AutoCloseable {
    /** Dynamic shared memory that every supported device has. */
    static final int SHARED_BYTES = 96 << 10;

    private final List<CudaModule> modules = new ArrayList<>();

    final Kernel embed = module("embed").kernel("embed");
    final Kernel normalize = module("normalize").kernel("normalize", SHARED_BYTES);
    final Kernel silu = module("silu").kernel("silu");
    final Kernel loraShrink = module("lora_shrink").kernel("lora_shrink");

    final Kernel loraExpand = module("lora_expand").kernel("lora_expand");


    /** Whether this build has kernels at all. */
    static boolean packaged() {
        return CudaModule.packaged("pack_int4");
    }

    private CudaModule module(String name) {
        CudaModule module = new CudaModule(name);
        modules.add(module);
        return module;
    }

    @Override
    public void close() {
        modules.forEach(CudaModule::close);
    }
}
