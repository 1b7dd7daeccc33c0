package dev.aril.engine.quantize;

import dev.aril.engine.Device;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.CpuMatrices;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.kernels.CudaMatrices;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.KvFormat;
import dev.aril.engine.kernels.Matrices;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Recipe;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What an import computes with: the model's kernels, which run its layers, and the products beside
 * them. On a GPU each has memory of its own.
 */
record Workbench(Kernels kernels, Matrices matrices) implements AutoCloseable {
    /** Of the GPU's free memory the kernels' part. */
    private static final double KERNELS_SHARE = 0.4;

    /**
     * @param device null takes a GPU if there is one that computes this model
     * @throws IllegalArgumentException if a GPU was asked for and cannot be used, with the reason
     */
    static Workbench open(@Nullable Device device, ModelConfig config, Recipe recipe) {
        Optional<String> reason = CudaKernels.unusable();
        if (device == Device.CUDA && reason.isPresent()) {
            throw new IllegalArgumentException("no GPU to import on: " + reason.get());
        }
        long free = reason.isPresent() ? 0 : CudaKernels.unusedBytes();
        boolean room = device == Device.CUDA || free > neededBytes(config);
        if (device == Device.CPU || reason.isPresent() || !room) {
            return new Workbench(new CpuKernels(0), new CpuMatrices(0));
        }
        Kernels kernels =
                computedOnGpu(config, recipe)
                        ? new CudaKernels((long) (KERNELS_SHARE * free))
                        : new CpuKernels(0);
        try {
            return new Workbench(kernels, new CudaMatrices(0));
        } catch (RuntimeException e) {
            kernels.close();
            throw e;
        }
    }

    /** Whether the GPU's kernels take the model; an import needs no more of them than serving. */
    private static boolean computedOnGpu(ModelConfig config, Recipe recipe) {
        return (config.headDim() == 64 || config.headDim() == 128)
                && (!recipe.quantized() || recipe.rotated())
                && recipe.cache() != KvFormat.INT4_BEFORE_ROPE;
    }

    /**
     * What the GPU must have free: the second moments of a layer's inputs, a factor and its
     * predecessor, a few copies of the largest weights, in floats; and as much again for two layers
     * and their inputs.
     */
    static long neededBytes(ModelConfig config) {
        long hidden = config.hidden();
        long queries = config.queryWidth();
        long inner = config.intermediate();
        long widest = Math.max(inner, Math.max(hidden, queries));
        long moments = 2 * hidden * hidden + queries * queries + inner * inner;
        long weights = 4 * widest * Math.max(hidden, queries);
        return 2 * 4 * (moments + 2 * widest * widest + weights);
    }

    @Override
    public void close() {
        try (kernels;
                matrices) {
            // both, even if one fails
        }
    }
}
