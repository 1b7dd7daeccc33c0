package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class CpuKernelsTest extends KernelsContract {
    @Override
    Kernels kernels() {
        return new CpuKernels(3);
    }

    @Test
    void exponentialIsAccurate() {
        for (float x = -87; x <= 88; x += 0.0137f) {
            float e = Lanes.exp(Lanes.broadcast(x)).lane(0);
            assertThat((double) e).isCloseTo(Math.exp(x), within(3e-7 * Math.exp(x)));
        }
    }

    @Test
    void vectorHadamardHasTheDefinedBits() {
        Random random = new Random(3);
        for (int size : new int[] {32, 64, 128, 256}) {
            float[] x = new float[size + 5];
            for (int i = 0; i < x.length; i++) {
                x[i] = (float) random.nextGaussian();
            }
            float[] expected = x.clone();
            Hadamard.apply(expected, 3, size);
            Lanes.hadamard(x, 3, size);
            assertThat(x).isEqualTo(expected);
            Hadamard.apply(x, 3, size);
            Hadamard.apply(x, 3, size);
            for (int i = 0; i < x.length; i++) {
                assertThat(x[i]).isCloseTo(expected[i], within(1e-5f)); // its own inverse
            }
        }
    }

    @Test
    void workersRunEachIterationOnce() {
        try (Workers workers = new Workers(4)) {
            for (int round = 0; round < 2000; round++) {
                AtomicIntegerArray seen = new AtomicIntegerArray(round % 37);
                workers.run(seen.length(), seen::incrementAndGet);
                for (int i = 0; i < seen.length(); i++) {
                    assertThat(seen.get(i)).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void aFailedIterationIsTold() {
        try (Workers workers = new Workers(2)) {
            assertThatThrownBy(() ->
                            workers.run(
                                    8,
                                    i -> {
                                        if (i == 5) {
                                            throw new ArithmeticException("five");
                                        }
                                    }))
                    .hasRootCauseMessage("five");
            workers.run(2, i -> {}); // and the next loop runs
        }
    }
}
