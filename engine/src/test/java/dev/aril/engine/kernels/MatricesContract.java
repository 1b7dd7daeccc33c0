package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.kernels.Matrices.Block;
import dev.aril.engine.kernels.Matrices.Buffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What every implementation of {@link Matrices} must do, told by sums in double precision. */
abstract class MatricesContract {
    private final Matrices matrices = matrices();
    private final Random random = new Random(5);

    /** The implementation to test. */
    abstract Matrices matrices();

    @AfterEach
    void close() {
        matrices.close();
    }

    private float[] normal(int size) {
        float[] x = new float[size];
        for (int i = 0; i < size; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }

    /** A rectangle of a larger buffer whose other values are NaN, so that reading them shows. */
    private Block inside(int rows, int columns, int row, int column, float[] values) {
        Buffer buffer = matrices.allocate(rows + row + 3, columns + column + 5);
        float[] nan = new float[buffer.rows() * buffer.columns()];
        Arrays.fill(nan, Float.NaN);
        matrices.write(buffer.all(), nan);
        Block block = buffer.block(row, column, rows, columns);
        matrices.write(block, values);
        return block;
    }

    private void assertNanOutside(Block block) {
        Buffer buffer = block.buffer();
        float[] all = matrices.read(buffer.all());
        for (int i = 0; i < all.length; i++) {
            int r = i / buffer.columns() - block.row();
            int c = i % buffer.columns() - block.column();
            boolean within = r >= 0 && r < block.rows() && c >= 0 && c < block.columns();
            assertThat(Float.isNaN(all[i])).as("row %s, column %s", r, c).isEqualTo(!within);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // m, n, k, first column of each
        "1, 1, 1, 0",
        "3, 5, 7, 1",
        "128, 128, 16, 0",
        "129, 127, 17, 0",
        "64, 300, 33, 4",
        "200, 132, 260, 8",
        "131, 259, 515, 3",
        "384, 384, 64, 0",
        "2, 640, 300, 2"
    })
    void productsOfRectangles(int m, int n, int k, int column) {
        for (boolean transposed : new boolean[] {false, true}) {
            for (float keep : new float[] {0, 1, 0.5f}) {
                float[] a = normal(m * k);
                float[] b = normal(k * n);
                float[] c = normal(m * n);
                Block left = inside(transposed ? k : m, transposed ? m : k, 2, column, a);
                Block right = inside(k, n, 1, column, b);
                Block to = inside(m, n, 3, column, c);
                matrices.multiply(to, keep, -0.75f, left, transposed, right);
                assertNanOutside(to);
                float[] actual = matrices.read(to);
                for (int i = 0; i < m; i++) {
                    for (int j = 0; j < n; j++) {
                        double sum = 0;
                        double magnitude = Math.abs(c[i * n + j]);
                        for (int d = 0; d < k; d++) {
                            double x =
                                    (double) (transposed ? a[d * m + i] : a[i * k + d])
                                            * b[d * n + j];
                            sum += x;
                            magnitude += Math.abs(x);
                        }
                        assertThat((double) actual[i * n + j])
                                .isCloseTo(
                                        (double) keep * c[i * n + j] - 0.75 * sum,
                                        within((k + 4) * 0x1p-23 * magnitude));
                    }
                }
                for (Block block : new Block[] {left, right, to}) {
                    matrices.free(block.buffer());
                }
            }
        }
    }

    /** A product whose old value is not wanted overwrites even what is not a number. */
    @Test
    void whatIsNotKeptMayBeAnything() {
        Buffer a = matrices.allocate(2, 3);
        Buffer b = matrices.allocate(3, 4);
        Buffer c = matrices.allocate(2, 4);
        matrices.write(a.all(), new float[] {1, 2, 3, 4, 5, 6});
        matrices.write(b.all(), new float[] {1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1});
        float[] nan = new float[8];
        Arrays.fill(nan, Float.NaN);
        matrices.write(c.all(), nan);
        matrices.multiply(c.all(), 0, 1, a.all(), false, b.all());
        assertThat(matrices.read(c.all())).containsExactly(1, 2, 3, 6, 4, 5, 6, 15);
    }

    @Test
    void buffersBeginAsZerosAndAreClearedInPart() {
        Buffer buffer = matrices.allocate(70, 9);
        assertThat(matrices.read(buffer.all())).containsOnly(0);
        float[] values = normal(70 * 9);
        matrices.write(buffer.all(), values);
        assertThat(matrices.read(buffer.all())).isEqualTo(values);
        matrices.clear(buffer.block(1, 2, 67, 5));
        float[] expected = values.clone();
        for (int r = 1; r < 68; r++) {
            Arrays.fill(expected, r * 9 + 2, r * 9 + 7, 0f);
        }
        assertThat(matrices.read(buffer.all())).isEqualTo(expected);
        assertThat(matrices.read(buffer.block(69, 8, 1, 1))[0]).isEqualTo(values[70 * 9 - 1]);
    }

    /** The same product twice, and beside more columns: the same bits. */
    @Test
    void sumsHaveOneOrder() {
        float[] x = normal(300 * 200);
        Buffer a = matrices.allocate(300, 200);
        matrices.write(a.all(), x);
        Buffer all = matrices.allocate(200, 200);
        Buffer some = matrices.allocate(64, 200);
        matrices.multiply(all.all(), 0, 1, a.all(), true, a.all());
        matrices.multiply(some.all(), 0, 1, a.block(0, 0, 300, 64), true, a.all());
        assertThat(matrices.read(some.all())).isEqualTo(matrices.read(all.block(0, 0, 64, 200)));
    }

    @Test
    void shapesThatDoNotFitAreRefused() {
        Buffer a = matrices.allocate(4, 6);
        assertThatThrownBy(() -> matrices.multiply(a.all(), 0, 1, a.all(), false, a.all()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("shapes");
        assertThatThrownBy(() -> a.block(1, 1, 4, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("4 by 1 at 1, 1 of 4 by 6");
    }
}
