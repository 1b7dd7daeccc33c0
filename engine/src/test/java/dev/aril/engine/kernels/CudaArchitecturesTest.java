package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.Gpu;
import dev.aril.engine.kernels.Kernels.Experts;
import dev.aril.engine.kernels.Kernels.Linear;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("gpu")
class CudaArchitecturesTest extends ArchitecturesContract {
    @BeforeAll
    static void needsAGpu() {
        Gpu.isNeeded();
    }

    /** Kept as bf16. */
    @Override
    double plainTolerance() {
        return 0x1p-8;
    }

    @Override
    Kernels kernels() {
        return new CudaKernels(1L << 30);
    }

    @Test
    void unloadedLayersGiveTheirMemoryBack() {
        try (CudaKernels kernels = new CudaKernels(1L << 28)) {
            long before = kernels.usedBytes();
            LinearWeights.Bf16 plain = new LinearWeights.Bf16(256, 256, new short[256 * 256]);
            LinearWeights.Int4 int4 =
                    new LinearWeights.Int4(
                            256,
                            256,
                            128,
                            128,
                            new byte[256 * 64],
                            new short[256],
                            new byte[256 * 128],
                            new float[256]);
            for (LinearWeights weights : List.of(plain, int4)) {
                Linear linear = kernels.load(weights, new float[256]);
                Experts experts =
                        kernels.loadExperts(
                                plain, List.of(new ExpertWeights(weights, weights, weights)), 1);
                assertThat(kernels.usedBytes()).isGreaterThan(before + 4 * 256 * 64);
                kernels.unload(linear);
                kernels.unload(experts);
                assertThat(kernels.usedBytes()).isEqualTo(before);
            }
        }
    }

    @Test
    void theRecipeAtomIsRefused() {
        try (CudaKernels kernels = new CudaKernels(1L << 28)) {
            assertThatThrownBy(() ->
                            kernels.activation(
                                    1, 256, new InputSpec(null, 128, 128, 4, 0.9f, false)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("atom")
                    .hasMessageContaining("CPU");
            assertThatThrownBy(() ->
                            kernels.allocate(new KvShape(1, 1, 1, 64, KvFormat.INT4_BEFORE_ROPE)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("atom")
                    .hasMessageContaining("CPU");
        }
    }
}
