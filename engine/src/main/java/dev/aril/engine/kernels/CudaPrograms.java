package dev.aril.engine.kernels;

import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaModule.Kernel;
import java.util.ArrayList;
import java.util.List;

/** The kernels by what they do; their heads, in {@code cuda/src/main/cuda}, say the rest. */
final class CudaPrograms implements AutoCloseable {
    /** Dynamic shared memory that every supported device has. */
    static final int SHARED_BYTES = 96 << 10;

    /** Token tiles the matrix products are compiled for. */
    private static final int[] TOKENS = {8, 16, 32, 64};

    private final List<CudaModule> modules = new ArrayList<>();

    final Kernel embed = module("embed").kernel("embed");
    final Kernel normalize = module("normalize").kernel("normalize", SHARED_BYTES);
    final Kernel silu = module("silu").kernel("silu");
    final Kernel packInt4 = module("pack_int4").kernel("pack_int4");
    final Kernel loraShrink = module("lora_shrink").kernel("lora_shrink");

    final Kernel loraExpand = module("lora_expand").kernel("lora_expand");

    private final Kernel[] int4Gemm = tiles("int4_gemm");
    private final Kernel[] bf16Gemm = tiles("bf16_gemm");

    /** Whether this build has kernels at all. */
    static boolean packaged() {
        return CudaModule.packaged("int4_gemm");
    }

    private CudaModule module(String name) {
        CudaModule module = new CudaModule(name);
        modules.add(module);
        return module;
    }

    private Kernel[] tiles(String name) {
        CudaModule module = module(name);
        Kernel[] kernels = new Kernel[TOKENS.length];
        for (int i = 0; i < TOKENS.length; i++) {
            kernels[i] = module.kernel(name + "_" + TOKENS[i]);
        }
        return kernels;
    }

    /** Index of the narrowest tile that holds so many rows, or the widest. */
    private static int tile(int rows) {
        int i = 0;
        while (i + 1 < TOKENS.length && TOKENS[i] < rows) {
            i++;
        }
        return i;
    }

    /**
     * A matrix product's kernel.
     *
     * @param tokens rows a thread block takes
     * @param outputs outputs it takes
     */
    record Gemm(Kernel kernel, int tokens, int outputs, int threads) {}

    Gemm gemm(boolean int4, int rows) {
        int tile = tile(rows);
        boolean wide = int4 && TOKENS[tile] == 64;
        return new Gemm(
                (int4 ? int4Gemm : bf16Gemm)[tile], TOKENS[tile], wide ? 64 : 16, wide ? 128 : 256);
    }

    @Override
    public void close() {
        modules.forEach(CudaModule::close);
    }
}
