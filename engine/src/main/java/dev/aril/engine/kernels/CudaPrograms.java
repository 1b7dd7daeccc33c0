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

    /** The adapters' kernels, for few rows of an adapter and for many. */
    final Kernel loraShrink;

    final Kernel loraShrinkWide;
    final Kernel loraExpand;
    final Kernel loraExpandWide;

    private final Kernel[] ropeAppend;
    private final Kernel[] attentionMerge;
    private final Kernel[][][] attentionPart = new Kernel[2][2][4];

    CudaPrograms() {
        CudaModule shrink = module("lora_shrink");
        loraShrink = shrink.kernel("lora_shrink_8", SHARED_BYTES);
        loraShrinkWide = shrink.kernel("lora_shrink_64", SHARED_BYTES);
        CudaModule expand = module("lora_expand");
        loraExpand = expand.kernel("lora_expand_8", SHARED_BYTES);
        loraExpandWide = expand.kernel("lora_expand_64", SHARED_BYTES);
        CudaModule append = module("rope_append");
        ropeAppend =
                new Kernel[] {append.kernel("rope_append_64"), append.kernel("rope_append_128")};
        CudaModule attention = module("attention");
        attentionMerge =
                new Kernel[] {
                    attention.kernel("attention_merge_64", SHARED_BYTES),
                    attention.kernel("attention_merge_128", SHARED_BYTES)
                };
        for (int d = 0; d < 2; d++) {
            for (int heads = 1; heads <= 4; heads++) {
                String shape = (64 << d) + "_" + heads;
                attentionPart[0][d][heads - 1] = attention.kernel("attention_part_" + shape);
                attentionPart[1][d][heads - 1] = attention.kernel("attention_part_plain_" + shape);
            }
        }
    }

    /** Whether this build has kernels at all. */
    static boolean packaged() {
        return CudaModule.packaged("pack_int4");
    }

    private CudaModule module(String name) {
        CudaModule module = new CudaModule(name);
        modules.add(module);
        return module;
    }

    Kernel ropeAppend(int headDim) {
        return ropeAppend[headDim / 128];
    }

    Kernel attentionMerge(int headDim) {
        return attentionMerge[headDim / 128];
    }

    /**
     * @param heads query heads computed at once, 1 to 4
     */
    Kernel attentionPart(int headDim, int heads, boolean quantized) {
        return attentionPart[quantized ? 0 : 1][headDim / 128][heads - 1];
    }

    @Override
    public void close() {
        modules.forEach(CudaModule::close);
    }
}
