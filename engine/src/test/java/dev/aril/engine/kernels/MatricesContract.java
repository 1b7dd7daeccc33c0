package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.kernels.Matrices.Block;
import dev.aril.engine.kernels.Matrices.Buffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What every implementation of {@link Matrices} does. */
abstract class MatricesContract {
    private final Random random = new Random(3);
    private Matrices matrices = new CpuMatrices(1);

    abstract Matrices matrices();

    @BeforeEach
    void open() {
        matrices.close();
        matrices = matrices();
    }

    @AfterEach
    void close() {
        matrices.close();
    }

    private float[] normal(int count) {
        float[] x = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }

    /** Parts of larger buffers, at and beside the edges of tiles, with every kind of factor. */
    @ParameterizedTest
    @CsvSource({
        "1, 1, 1, true, 1, 1",
        "3, 5, 7, false, 0, 1",
        "4, 64, 256, true, 1, -1",
        "130, 70, 300, true, 0, -1",
        "129, 257, 33, false, 1, 1",
        "128, 128, 513, true, 0.5, 2",
        "260, 131, 128, false, 0, 1"
    })
    void productsOfParts(int m, int n, int k, boolean transposed, float keep, float scale) {
        Buffer a = matrices.allocate(3 + (transposed ? k : m), 2 + (transposed ? m : k));
        Buffer b = matrices.allocate(k + 1, n + 5);
        Buffer c = matrices.allocate(m + 2, n + 3);
        float[] av = normal(a.rows() * a.columns());
        float[] bv = normal(b.rows() * b.columns());
        float[] cv = normal(c.rows() * c.columns());
        if (keep == 0) {
            Arrays.fill(cv, Float.NaN); // whatever was there
        }
        matrices.write(a.all(), av);
        matrices.write(b.all(), bv);
        matrices.write(c.all(), cv);
        Block part = c.block(1, 2, m, n);
        matrices.multiply(
                part,
                keep,
                scale,
                a.block(2, 1, transposed ? k : m, transposed ? m : k),
                transposed,
                b.block(1, 4, k, n));
        float[] all = matrices.read(c.all());
        for (int i = 0; i < c.rows(); i++) {
            for (int j = 0; j < c.columns(); j++) {
                int at = i * c.columns() + j;
                if (i < 1 || i >= m + 1 || j < 2 || j >= n + 2) {
                    assertThat(Float.floatToIntBits(all[at]))
                            .isEqualTo(Float.floatToIntBits(cv[at]));
                    continue;
                }
                double sum = 0;
                for (int d = 0; d < k; d++) {
                    int row = 2 + (transposed ? d : i - 1);
                    int column = 1 + (transposed ? i - 1 : d);
                    sum +=
                            (double) av[row * a.columns() + column]
                                    * bv[(1 + d) * b.columns() + 4 + j - 2];
                }
                double expected = (keep == 0 ? 0 : keep * cv[at]) + scale * sum;
                assertThat((double) all[at]).isCloseTo(expected, within(1e-4 * (1 + Math.sqrt(k))));
            }
        }
        assertThat(matrices.read(part)).hasSize(m * n).contains(all[c.columns() + 2]);
    }

    @Test
    void partsAreWrittenReadAndCleared() {
        Buffer a = matrices.allocate(5, 7);
        assertThat(matrices.read(a.all())).hasSize(35).containsOnly(0f);
        float[] x = normal(6);
        matrices.write(a.block(1, 2, 2, 3), x);
        assertThat(matrices.read(a.block(1, 2, 2, 3))).isEqualTo(x);
        assertThat(matrices.read(a.block(2, 1, 1, 4))).isEqualTo(new float[] {0, x[3], x[4], x[5]});
        matrices.clear(a.block(2, 0, 1, 7));
        assertThat(matrices.read(a.block(1, 2, 2, 3)))
                .isEqualTo(new float[] {x[0], x[1], x[2], 0, 0, 0});
        matrices.free(a);
    }

    @Test
    void shapesThatDoNotFitAreRefused() {
        Buffer a = matrices.allocate(2, 3);
        Buffer b = matrices.allocate(3, 4);
        Buffer c = matrices.allocate(2, 4);
        assertThatThrownBy(() -> matrices.multiply(c.all(), 0, 1, a.all(), true, b.all()))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> a.block(1, 0, 2, 3)).isInstanceOf(IllegalArgumentException.class);
    }
}
