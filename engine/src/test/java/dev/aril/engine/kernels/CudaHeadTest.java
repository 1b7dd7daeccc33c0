package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.Gpu;
import dev.aril.engine.kernels.Kernels.Linear;
import dev.aril.engine.kernels.Kernels.Matrix;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The output head in INT8 and bf16 against the same sums in doubles. */
@Tag("gpu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class CudaHeadTest {
    private static final float EPSILON = 1e-5f;

    private final Random random = new Random(5);
    private Kernels kernels;

    @BeforeAll
    void needsAGpu() {
        Gpu.isNeeded();
        kernels = new CudaKernels(1L << 30);
    }

    @AfterAll
    void close() {
        if (kernels != null) {
            kernels.close();
        }
    }

    private static float bf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    private short[] weights(int out, int in) {
        short[] bits = new short[out * in];
        for (int i = in; i < bits.length; i++) { // the first row is zero
            float w = (float) random.nextGaussian() * 0.02f;
            bits[i] = (short) (Float.floatToRawIntBits(w) >>> 16);
        }
        return bits;
    }

    /** A row's weights as the head holds them. */
    private static double[] held(short[] bits, int n, int in, boolean eightBit) {
        double[] w = new double[in];
        Arrays.setAll(w, k -> bf16(bits[n * in + k]));
        if (eightBit) {
            float most = (float) Arrays.stream(w).map(Math::abs).max().orElseThrow();
            float scale = most / 127;
            Arrays.setAll(w, k -> scale == 0 ? 0 : scale * Math.rint((float) w[k] / scale));
        }
        return w;
    }

    private float[] hidden(int rows, int in) {
        float[] x = new float[rows * in];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian() * (i % 61 == 0 ? 20 : 1);
        }
        return x;
    }

    private float[] logits(int[] picked, float[] hidden, float[] norm, Linear head) {
        Matrix rows = kernels.matrix(hidden.length / norm.length, norm.length);
        kernels.write(rows, hidden);
        Matrix logits = kernels.matrix(picked.length, head.out());
        kernels.logits(picked, rows, norm, EPSILON, head, logits);
        return kernels.read(logits, picked.length);
    }

    @ParameterizedTest
    @CsvSource({
        "1, 64, 128",
        "3, 193, 384",
        "8, 500, 192",
        "9, 257, 320",
        "17, 300, 1024",
        "33, 64, 384",
        "64, 129, 256",
        "65, 128, 256",
        "130, 70, 136"
    })
    void isWithinItsBound(int count, int out, int in) {
        float[] hidden = hidden(count + 2, in);
        float[] norm = new float[in];
        for (int k = 0; k < in; k++) {
            norm[k] = 0.5f + random.nextFloat();
        }
        short[] bits = weights(out, in);
        int[] picked = new int[count];
        Arrays.setAll(picked, i -> count + 1 - i);
        for (boolean eightBit : new boolean[] {true, false}) {
            Linear head = kernels.loadHead(new LinearWeights.Bf16(out, in, bits), eightBit);
            float[] actual = logits(picked, hidden, norm, head);
            for (int n = 0; n < out; n++) {
                double[] w = held(bits, n, in, eightBit);
                for (int i = 0; i < count; i++) {
                    check(actual[i * out + n], picked[i], hidden, norm, w, eightBit);
                }
            }
        }
    }

    private static void check(
            double actual, int row, float[] hidden, float[] norm, double[] w, boolean eightBit) {
        int in = norm.length;
        double squares = 0;
        for (int k = 0; k < in; k++) {
            squares += Math.pow(hidden[row * in + k], 2);
        }
        double scale = 1 / Math.sqrt(squares / in + EPSILON);
        double sum = 0;
        double magnitude = 0;
        double weights = 0;
        double most = 0;
        for (int k = 0; k < in; k++) {
            double x = hidden[row * in + k] * scale * norm[k];
            sum += x * w[k];
            magnitude += Math.abs(x * w[k]);
            weights += Math.abs(w[k]);
            most = Math.max(most, Math.abs(x));
        }
        double bound =
                0x1p-19 * magnitude
                        + (eightBit
                                ? 1.01 * 0x1p-16 * most * weights
                                : 0x1p-23 * (3 * in / 16.0 + 8) * magnitude);
        assertThat(Math.abs(actual - sum)).isLessThanOrEqualTo(bound + 1e-12);
    }

    /** The promise that neighbours never change a row, across all row tiles. */
    @Test
    void rowsAreTheSameAlone() {
        int in = 512;
        int out = 321;
        float[] hidden = hidden(70, in);
        float[] norm = new float[in];
        Arrays.fill(norm, 1f);
        LinearWeights.Bf16 weights = new LinearWeights.Bf16(out, in, weights(out, in));
        for (boolean eightBit : new boolean[] {true, false}) {
            Linear head = kernels.loadHead(weights, eightBit);
            float[] alone = logits(new int[] {4}, hidden, norm, head);
            for (int count : new int[] {2, 9, 20, 40, 70}) {
                int[] picked = new int[count];
                Arrays.setAll(picked, i -> i == count - 1 ? 4 : i);
                float[] together = logits(picked, hidden, norm, head);
                assertThat(Arrays.copyOfRange(together, (count - 1) * out, count * out))
                        .isEqualTo(alone);
            }
        }
    }

    @Test
    void whatIsNotANumberStaysNone() {
        int in = 128;
        float[] hidden = hidden(3, in);
        hidden[5] = Float.NaN;
        hidden[in + 9] = Float.POSITIVE_INFINITY;
        float[] norm = new float[in];
        Arrays.fill(norm, 1f);
        LinearWeights.Bf16 weights = new LinearWeights.Bf16(64, in, weights(64, in));
        for (boolean eightBit : new boolean[] {true, false}) {
            float[] y =
                    logits(new int[] {0, 1, 2}, hidden, norm, kernels.loadHead(weights, eightBit));
            for (int n = 0; n < 64; n++) {
                assertThat(Float.isFinite(y[n]) || Float.isFinite(y[64 + n])).isFalse();
                assertThat(Float.isFinite(y[128 + n])).isTrue();
            }
        }
    }
}
