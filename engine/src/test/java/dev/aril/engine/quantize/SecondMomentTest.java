package dev.aril.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.kernels.CpuMatrices;
import dev.aril.engine.kernels.InputSpec;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class SecondMomentTest {
    private static final CpuMatrices MATRICES = new CpuMatrices(2);
    private static final int COLUMNS = 320;
    private static final int ROWS = 900;

    @AfterAll
    static void close() {
        MATRICES.close();
    }

    private static float[] inputs() {
        Random random = new Random(4);
        float[] x = new float[ROWS * COLUMNS];
        for (int i = 0; i < x.length; i++) {
            int channel = i % COLUMNS;
            x[i] = (float) random.nextGaussian() * (1 + channel * 37 % COLUMNS);
            if (channel % 3 == 1) {
                x[i] += x[i - 1];
            }
        }
        return x;
    }

    private static SecondMoment moment(float[] x) {
        SecondMoment moment = new SecondMoment(MATRICES, COLUMNS, 256);
        for (int from = 0; from < ROWS; from += 256) {
            int count = Math.min(256, ROWS - from);
            moment.add(Arrays.copyOfRange(x, from * COLUMNS, (from + count) * COLUMNS), count);
        }
        return moment;
    }

    @Test
    void channelsAreOrderedByTheirEnergy() {
        float[] x = inputs();
        double[] energy = new double[COLUMNS];
        for (int i = 0; i < x.length; i++) {
            energy[i % COLUMNS] += (double) x[i] * x[i];
        }
        try (SecondMoment moment = moment(x)) {
            int[] order = moment.order();
            for (int j = 1; j < COLUMNS; j++) {
                assertThat(energy[order[j]]).isGreaterThan(energy[order[j - 1]] * 0.9999);
            }
            assertThat(Arrays.stream(order).distinct().count()).isEqualTo(COLUMNS);
        }
    }

    /** The arranged input's moment, computed without arranging any input, is that of the inputs. */
    @Test
    void theHessianIsThatOfTheArrangedInputs() {
        float[] x = inputs();
        try (SecondMoment moment = moment(x)) {
            InputSpec spec = new InputSpec(moment.order(), 64, 128, 4, 0.95f, true);
            float[] noise = new float[COLUMNS];
            for (int i = 0; i < COLUMNS; i++) {
                noise[i] = i;
            }
            float[] h = MATRICES.read(moment.hessian(spec, noise).all());
            double[] expected = new double[COLUMNS * COLUMNS];
            float[] row = new float[COLUMNS];
            for (int r = 0; r < ROWS; r++) {
                spec.arrange(x, r * COLUMNS, COLUMNS, row);
                for (int i = 0; i < COLUMNS; i++) {
                    for (int j = 0; j < COLUMNS; j++) {
                        expected[i * COLUMNS + j] += (double) row[i] * row[j] / ROWS;
                    }
                }
            }
            for (int i = 0; i < COLUMNS; i++) {
                for (int j = 0; j < COLUMNS; j++) {
                    double scale = Math.sqrt(expected[i * COLUMNS + i] * expected[j * COLUMNS + j]);
                    double wanted = expected[i * COLUMNS + j] * (i == j ? 1.01 : 1);
                    wanted += i == j ? noise[i] : 0;
                    assertThat((double) h[i * COLUMNS + j])
                            .as("%s, %s", i, j)
                            .isCloseTo(wanted, within(1e-4 * scale));
                }
            }
        }
    }

    /** Rounding's noise on the rows that were kept is that of all rows. */
    @Test
    void noiseIsMeasuredOnSomeRows() {
        float[] x = inputs();
        try (SecondMoment moment = moment(x)) {
            assertThat(moment.sampled()).isBetween(SecondMoment.SAMPLES / 2, SecondMoment.SAMPLES);
            InputSpec spec = new InputSpec(moment.order(), 64, 128, 4, 0.95f, true);
            float[] noise = new InputRounding(moment, spec).noise(spec);
            double[] expected = new double[COLUMNS];
            float[] row = new float[COLUMNS];
            float[] rounded = new float[COLUMNS];
            for (int r = 0; r < ROWS; r++) {
                spec.arrange(x, r * COLUMNS, COLUMNS, row);
                System.arraycopy(row, 0, rounded, 0, COLUMNS);
                spec.round(rounded, COLUMNS);
                for (int c = 0; c < COLUMNS; c++) {
                    expected[c] += Math.pow(rounded[c] - row[c], 2) / ROWS;
                }
            }
            for (int g = 0; g < 3; g++) {
                double mean = Arrays.stream(expected, g * 64, g * 64 + 64).average().orElseThrow();
                assertThat((double) noise[g * 64]).isCloseTo(mean, within(0.1 * mean));
            }
            assertThat((double) noise[COLUMNS - 1])
                    .isCloseTo(expected[COLUMNS - 1], within(0.3 * expected[COLUMNS - 1]));
        }
    }
}
