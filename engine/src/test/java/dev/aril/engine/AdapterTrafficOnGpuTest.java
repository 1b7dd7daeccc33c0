package dev.aril.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.model.Forward;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("gpu")
class AdapterTrafficOnGpuTest extends AdapterTraffic {
    private static final long GPU_BYTES = 1L << 30;

    /** For what grows with the steps. */
    private static final long SCRATCH = 16L << 20;

    @BeforeAll
    static void assumeGpu() {
        Gpu.isNeeded();
    }

    @Override
    Kernels kernels() {
        return new CudaKernels(GPU_BYTES);
    }

    /** The budget has room for all, the device for about five. */
    @Test
    void adaptersThatFindNoMemoryWaitForIt() throws Exception {
        List<AdapterRef> adapters = adapters(16, 128);
        Map<String, String> expected = alone(adapters);
        Forward roomy = forward(free -> 8 << 20);
        long room = 5 * largest(roomy, adapters) + SCRATCH;
        roomy.close();
        WatchedRunner runner = new WatchedRunner(forward(free -> free - room));
        EngineLoop engine = engine(runner, AdapterTraffic::noOther, 1L << 40);
        assertThat(together(engine, adapters)).isEqualTo(expected);
        assertThat(runner.violations).isEmpty();
        assertThat(runner.outOfMemory).hasPositiveValue();
        assertThat(engine.stats().running()).isZero();
    }
}
