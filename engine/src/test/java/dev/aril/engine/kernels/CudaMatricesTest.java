package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.engine.Gpu;
import dev.aril.engine.kernels.Matrices.Buffer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("gpu")
class CudaMatricesTest extends MatricesContract {
    @BeforeAll
    static void needsAGpu() {
        Gpu.isNeeded();
    }

    @Override
    Matrices matrices() {
        return new CudaMatrices(1L << 28);
    }

    @Test
    void freedBuffersMakeRoom() {
        try (Matrices small = new CudaMatrices(1 << 20)) {
            for (int round = 0; round < 3; round++) {
                Buffer most = small.allocate(512, 512);
                assertThatThrownBy(() -> small.allocate(512, 512))
                        .isInstanceOf(OutOfDeviceMemory.class);
                small.free(most);
            }
        }
    }
}
