package dev.aril.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.kernels.CpuMatrices;
import dev.aril.engine.kernels.Matrices.Buffer;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TriangularFactorTest {
    private static final CpuMatrices MATRICES = new CpuMatrices(2);

    @AfterAll
    static void close() {
        MATRICES.close();
    }

    /** H UᵀU = I, with zeros below U's diagonal; sizes at and beside the edges of blocks. */
    @ParameterizedTest
    @ValueSource(ints = {1, 7, 128, 129, 300, 384, 700})
    void invertsWhatItFactors(int n) {
        Random random = new Random(n);
        int rows = 2 * n;
        float[] x = new float[rows * n];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian() * (1 + i % n % 5);
        }
        Buffer data = MATRICES.allocate(rows, n);
        MATRICES.write(data.all(), x);
        Buffer h = MATRICES.allocate(n, n);
        TriangularFactor.addSquare(MATRICES, h, 1f / rows, data.all());
        float[] lower = MATRICES.read(h.all());
        TriangularFactor.invert(MATRICES, h);
        float[] u = MATRICES.read(h.all());
        double worst = 0;
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < i; j++) {
                assertThat(u[i * n + j]).isZero();
            }
        }
        // column by column: H (Uᵀ (U e)) = e
        for (int c = 0; c < n; c += Math.max(1, n / 7)) {
            double[] first = new double[n];
            for (int i = 0; i < n; i++) {
                first[i] = u[i * n + c];
            }
            double[] second = new double[n];
            for (int i = 0; i < n; i++) {
                for (int k = 0; k <= i; k++) {
                    second[i] += (double) u[k * n + i] * first[k];
                }
            }
            for (int i = 0; i < n; i++) {
                double sum = 0;
                for (int k = 0; k < n; k++) {
                    sum += lower[Math.max(i, k) * n + Math.min(i, k)] * second[k];
                }
                worst = Math.max(worst, Math.abs(sum - (i == c ? 1 : 0)));
            }
        }
        assertThat(worst).isCloseTo(0, within(5e-3));
    }

    @Test
    void whatIsNotPositiveIsAnError() {
        Buffer h = MATRICES.allocate(2, 2);
        MATRICES.write(h.all(), new float[] {1, 2, 2, 1});
        assertThatThrownBy(() -> TriangularFactor.invert(MATRICES, h))
                .isInstanceOf(ArithmeticException.class);
    }
}
