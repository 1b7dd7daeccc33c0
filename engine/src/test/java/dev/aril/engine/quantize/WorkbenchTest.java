package dev.aril.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.aril.engine.Device;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.CpuMatrices;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.model.Checkpoint;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Recipe;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;

class WorkbenchTest {
    private static ModelConfig novella() throws IOException {
        return Checkpoint.readConfig(Path.of("../models/novella-11m"));
    }

    @Test
    void theCpuIsTakenWhereItIsAskedFor() throws IOException {
        try (Workbench bench = Workbench.open(Device.CPU, novella(), Recipe.W4A4)) {
            assertThat(bench.kernels()).isInstanceOf(CpuKernels.class);
            assertThat(bench.matrices()).isInstanceOf(CpuMatrices.class);
        }
    }

    @Test
    void withoutAGpuTheCpuIsTakenAndAskingForOneIsRefused() throws IOException {
        assumeFalse(CudaKernels.unusable().isEmpty(), "there is a GPU");
        try (Workbench bench = Workbench.open(null, novella(), Recipe.W4A4)) {
            assertThat(bench.kernels()).isInstanceOf(CpuKernels.class);
        }
        assertThatThrownBy(() -> Workbench.open(Device.CUDA, novella(), Recipe.W4A4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no GPU to import on: ")
                .hasMessageContaining(CudaKernels.unusable().orElseThrow());
    }

    /** About 5 GB for 7 billion weights: no GPU that serves them has less. */
    @Test
    void memoryGrowsWithTheWidestInput() {
        ModelConfig seven =
                new ModelConfig(
                        4096, 11008, 32, 32, 32, 128, 32000, 4096, 10_000, 1e-5f, false, 1,
                        Set.of(2));
        assertThat(Workbench.neededBytes(seven)).isBetween(3L << 30, 6L << 30);
    }
}
