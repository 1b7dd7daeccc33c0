package dev.aril.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.kernels.CpuMatrices;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.kernels.Matrices.Buffer;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WeightQuantizerTest {
    private static final CpuMatrices MATRICES = new CpuMatrices(2);
    private static final int GROUP = 16;
    private static final int OUTLIERS = 16;
    private static final int IN = 80;
    private static final int OUT = 70; // more than one chunk of lanes
    private static final float[] ATOM = {0.85f};

    private final Random random = new Random(8);

    @AfterAll
    static void close() {
        MATRICES.close();
    }

    private float[] normal(int count) {
        float[] x = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }

    /** Inputs that depend on each other, [rows, IN]. */
    private float[] inputs(int rows) {
        float[] mix = normal(IN * IN);
        float[] x = new float[rows * IN];
        float[] raw = normal(rows * IN);
        for (int r = 0; r < rows; r++) {
            for (int j = 0; j < IN; j++) {
                for (int k = 0; k < IN; k += 5) {
                    x[r * IN + j] += mix[k * IN + j] * raw[r * IN + k];
                }
                x[r * IN + j] += 0.3f * raw[r * IN + j];
            }
        }
        return x;
    }

    private static float[] hessian(float[] x) {
        int rows = x.length / IN;
        float[] h = new float[IN * IN];
        for (int i = 0; i < IN; i++) {
            for (int j = 0; j < IN; j++) {
                double sum = i == j ? 1e-3 : 0;
                for (int r = 0; r < rows; r++) {
                    sum += (double) x[r * IN + i] * x[r * IN + j] / rows;
                }
                h[i * IN + j] = (float) sum;
            }
        }
        return h;
    }

    private static Buffer factor(float[] h) {
        Buffer factor = MATRICES.allocate(IN, IN);
        MATRICES.write(factor.all(), h);
        TriangularFactor.invert(MATRICES, factor);
        return factor;
    }

    private static LinearWeights.Int4 quantize(float[] w, float[] clips, float[] h) {
        Buffer weights = MATRICES.allocate(IN, OUT);
        float[] transposed = new float[w.length];
        for (int n = 0; n < OUT; n++) {
            for (int j = 0; j < IN; j++) {
                transposed[j * OUT + n] = w[n * IN + j];
            }
        }
        MATRICES.write(weights.all(), transposed);
        return new WeightQuantizer(MATRICES, clips)
                .quantize(weights, GROUP, OUTLIERS, h.length == 0 ? null : factor(h));
    }

    private static double value(LinearWeights.Int4 w, int n, int j) {
        int regular = IN - OUTLIERS;
        return j < regular
                ? w.code(n, j) * Float.float16ToFloat(w.scales()[n * w.groups() + j / GROUP])
                : w.outlierCodes()[n * OUTLIERS + j - regular] * w.outlierScales()[n];
    }

    /** tr((W - Ŵ) H (W - Ŵ)ᵀ): what is lost of the output. */
    private static double loss(float[] w, LinearWeights.Int4 quantized, float[] h) {
        double sum = 0;
        for (int n = 0; n < OUT; n++) {
            double[] e = new double[IN];
            for (int j = 0; j < IN; j++) {
                e[j] = w[n * IN + j] - value(quantized, n, j);
            }
            for (int i = 0; i < IN; i++) {
                for (int j = 0; j < IN; j++) {
                    sum += e[i] * h[i * IN + j] * e[j];
                }
            }
        }
        return sum;
    }

    /**
     * Column by column as the paper has it (arXiv 2210.17323), in doubles: the inverse by
     * elimination, and after each column the inverse without it.
     */
    @Test
    void gptqIsWhatThePaperSays() {
        float[] w = normal(OUT * IN);
        float[] h = hessian(inputs(300));
        LinearWeights.Int4 actual = quantize(w, ATOM, h);
        double[][] inverse = inverted(h);
        int regular = IN - OUTLIERS;
        double[][] x = new double[OUT][IN];
        for (int n = 0; n < OUT; n++) {
            for (int j = 0; j < IN; j++) {
                x[n][j] = w[n * IN + j];
            }
        }
        double[] scale = new double[OUT];
        int different = 0;
        for (int i = 0; i < regular; i++) {
            for (int n = 0; n < OUT; n++) {
                if (i % GROUP == 0) {
                    double max = 0;
                    for (int j = i; j < i + GROUP; j++) {
                        max = Math.max(max, Math.abs(x[n][j]));
                    }
                    scale[n] = Float.float16ToFloat(Float.floatToFloat16((float) max * 0.85f / 7f));
                }
                double code = Math.clamp(Math.rint(x[n][i] / scale[n]), -7, 7);
                different += code == actual.code(n, i) ? 0 : 1;
                double error = (x[n][i] - code * scale[n]) / inverse[i][i];
                for (int j = i; j < IN; j++) {
                    x[n][j] -= error * inverse[i][j];
                }
            }
            for (int j = i + 1; j < IN; j++) {
                double share = inverse[j][i] / inverse[i][i];
                for (int k = i + 1; k < IN; k++) {
                    inverse[j][k] -= share * inverse[i][k];
                }
            }
        }
        // a value in the middle between two codes may round either way, and move a few after it
        assertThat(different).isLessThan(OUT * regular / 100);
        double error = 0;
        for (int n = 0; n < OUT; n++) {
            for (int j = regular; j < IN; j++) {
                error = Math.max(error, Math.abs(x[n][j] - value(actual, n, j)));
            }
        }
        assertThat(error).as("INT8 columns have absorbed the residue").isLessThan(0.5);
    }

    private static double[][] inverted(float[] h) {
        double[][] a = new double[IN][2 * IN];
        for (int i = 0; i < IN; i++) {
            for (int j = 0; j < IN; j++) {
                a[i][j] = h[i * IN + j];
            }
            a[i][IN + i] = 1;
        }
        for (int i = 0; i < IN; i++) {
            double pivot = a[i][i];
            for (int j = 0; j < 2 * IN; j++) {
                a[i][j] /= pivot;
            }
            for (int r = 0; r < IN; r++) {
                double factor = a[r][i];
                for (int j = 0; r != i && j < 2 * IN; j++) {
                    a[r][j] -= factor * a[i][j];
                }
            }
        }
        double[][] inverse = new double[IN][IN];
        for (int i = 0; i < IN; i++) {
            System.arraycopy(a[i], IN, inverse[i], 0, IN);
        }
        return inverse;
    }

    /** On inputs that depend on each other GPTQ loses less than rounding to nearest. */
    @Test
    void gptqLosesLess() {
        float[] w = normal(OUT * IN);
        float[] h = hessian(inputs(300));
        double nearest = loss(w, quantize(w, ATOM, new float[0]), h);
        double gptq = loss(w, quantize(w, ATOM, h), h);
        assertThat(gptq).isLessThan(0.7 * nearest);
    }

    /**
     * Searched clips, which include the fallback, are never worse than it, row by row and group.
     */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theSearchIsNeverWorseThanTheFallback(boolean gptq) {
        float[] weights = normal(GROUP * OUT);
        float[] factor = null;
        if (gptq) {
            factor = MATRICES.read(factor(hessian(inputs(300))).block(0, 0, GROUP, GROUP));
        }
        GroupRounding fallback = new GroupRounding(GROUP);
        GroupRounding searched = new GroupRounding(GROUP);
        fallback.run(weights, OUT, 0, 64, new float[] {0.9f}, factor);
        searched.run(weights, OUT, 0, 64, Rounding.BEST.clips(), factor);
        int better = 0;
        for (int r = 0; r < 64; r++) {
            assertThat(searched.loss(r)).isLessThanOrEqualTo(fallback.loss(r));
            better += searched.loss(r) < fallback.loss(r) ? 1 : 0;
        }
        assertThat(better).isGreaterThan(20);
    }

    /** Without GPTQ each code is the nearest, and the range ends at the clipped magnitude. */
    @Test
    void roundsToNearest() {
        float[] w = normal(OUT * IN);
        LinearWeights.Int4 q = quantize(w, new float[] {1}, new float[0]);
        for (int n = 0; n < OUT; n++) {
            for (int j = 0; j < IN; j++) {
                double step =
                        j < IN - OUTLIERS
                                ? Float.float16ToFloat(q.scales()[n * q.groups() + j / GROUP])
                                : q.outlierScales()[n];
                assertThat(value(q, n, j)).isCloseTo(w[n * IN + j], within(0.503 * step));
            }
        }
    }

    /** A group of zeros has zeros, and no scale to divide by. */
    @Test
    void zerosStayZero() {
        LinearWeights.Int4 q = quantize(new float[OUT * IN], Rounding.BEST.clips(), new float[0]);
        assertThat(q.nibbles()).containsOnly((byte) 0);
        assertThat(q.outlierCodes()).containsOnly((byte) 0);
    }
}
