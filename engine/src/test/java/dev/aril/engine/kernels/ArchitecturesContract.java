package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.kernels.Kernels.Activation;
import dev.aril.engine.kernels.Kernels.Experts;
import dev.aril.engine.kernels.Kernels.KvCache;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.Kernels.Routing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What every implementation of {@link Kernels} must do for the architectures beyond Llama's, told
 * by {@link ReferenceKernels}: biases, norms of heads, windows, mixtures of experts; and rows that
 * do not change when others are computed beside them or their sequence is cut elsewhere.
 */
abstract class ArchitecturesContract {
    private static final int GROUP = 128;

    private final Kernels reference = new ReferenceKernels();
    private final Kernels kernels = kernels();
    private final Random random = new Random(11);

    /** The implementation to test. */
    abstract Kernels kernels();

    /** Of plain values, relative to the largest. */
    double plainTolerance() {
        return 1e-5;
    }

    @AfterEach
    void close() {
        kernels.close();
        reference.close();
    }

    private float[] normal(int size, double scale) {
        float[] x = new float[size];
        for (int i = 0; i < size; i++) {
            x[i] = (float) (random.nextGaussian() * scale);
        }
        return x;
    }

    private static float bf16(float x) {
        return Float.intBitsToFloat(Float.floatToRawIntBits(x) & 0xFFFF0000);
    }

    /** Plus and minus one: a norm without an epsilon leaves them, so its output is the weight's. */
    private float[] signs(int size) {
        float[] x = new float[size];
        for (int i = 0; i < size; i++) {
            x[i] = random.nextBoolean() ? 1 : -1;
        }
        return x;
    }

    /** A norm's weight that bf16 holds, with a few strong channels. */
    private float[] weight(int columns) {
        float[] weight = normal(columns, 1);
        for (int c = 0; c < columns; c++) {
            weight[c] = bf16(c % 41 == 3 ? 20 * weight[c] : weight[c]);
        }
        return weight;
    }

    private LinearWeights.Bf16 plain(int out, int in, double scale) {
        short[] bits = new short[out * in];
        for (int i = 0; i < bits.length; i++) {
            bits[i] =
                    (short)
                            (Float.floatToRawIntBits((float) (random.nextGaussian() * scale))
                                    >>> 16);
        }
        return new LinearWeights.Bf16(out, in, bits);
    }

    private LinearWeights.Int4 int4(int out, int in) {
        int groups = (in - GROUP) / GROUP;
        byte[] nibbles = new byte[out * groups * GROUP / 2];
        for (int i = 0; i < nibbles.length; i++) {
            nibbles[i] = (byte) (random.nextInt(-7, 8) & 15 | random.nextInt(-7, 8) << 4);
        }
        byte[] codes = new byte[out * GROUP];
        for (int i = 0; i < codes.length; i++) {
            codes[i] = (byte) random.nextInt(-127, 128);
        }
        short[] scales = new short[out * groups];
        for (int i = 0; i < scales.length; i++) {
            scales[i] = Float.floatToFloat16(0.002f + random.nextFloat() * 0.01f);
        }
        float[] outlierScales = new float[out];
        for (int i = 0; i < out; i++) {
            outlierScales[i] = 0.0002f + random.nextFloat() * 0.0005f;
        }
        return new LinearWeights.Int4(out, in, GROUP, GROUP, nibbles, scales, codes, outlierScales);
    }

    /**
     * @param bits of the activations; 0 for a plain layer
     */
    private LinearWeights weights(int bits, int out, int in) {
        return bits == 0 ? plain(out, in, 0.05) : int4(out, in);
    }

    private static @Nullable InputSpec spec(int bits, int @Nullable [] order) {
        return bits == 0
                ? null
                : new InputSpec(order, GROUP, GROUP, bits, bits == 4 ? 0.95f : 1, true);
    }

    private int[] order(int columns) {
        List<Integer> order = new ArrayList<>(IntStream.range(0, columns).boxed().toList());
        java.util.Collections.shuffle(order, random);
        return order.stream().mapToInt(i -> i).toArray();
    }

    private static void assertClose(float[] actual, float[] expected, double tolerance) {
        double largest = 0;
        for (float v : expected) {
            largest = Math.max(largest, Math.abs(v));
        }
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat((double) actual[i])
                    .as("element " + i)
                    .isCloseTo(expected[i], within(tolerance * largest));
        }
    }

    /** Where a code may round the other way: the root mean square of what that changes. */
    private static void assertMostlyClose(float[] actual, float[] expected) {
        double error = 0;
        double signal = 0;
        for (int i = 0; i < expected.length; i++) {
            error += Math.pow(actual[i] - expected[i], 2);
            signal += Math.pow(expected[i], 2);
        }
        assertThat(Math.sqrt(error / signal)).isLessThan(2e-2);
    }

    /** Rows of sequences of their own, at position 0. */
    private static Rows decodes(int count) {
        Rows.Span[] spans = new Rows.Span[count];
        Arrays.setAll(spans, i -> new Rows.Span(i, 1, new int[] {i}));
        return new Rows(new int[count], new int[count], spans, new Rows.Segment[0]);
    }

    /** The bias is added to the product, and the sum to what was there: to the last bit. */
    @ParameterizedTest
    @CsvSource({
        "4, 1, 193, 256",
        "4, 9, 200, 768",
        "4, 64, 1000, 1408",
        "4, 67, 304, 1408",
        "4, 130, 1000, 1408",
        "4, 257, 640, 384",
        "8, 3, 193, 256",
        "8, 130, 1000, 1408"
    })
    void biasesHaveTheDefinedBits(int bits, int count, int out, int in) {
        float[] x = signs(count * in);
        float[] norm = weight(in);
        LinearWeights weights = int4(out, in);
        float[] bias = normal(out, 3);
        float[] before = normal(count * out, 1);
        int[] order = order(in);
        float[][] results = new float[2][];
        Kernels[] both = {reference, kernels};
        for (int i = 0; i < 2; i++) {
            results[i] = biased(both[i], x, norm, spec(bits, order), weights, bias, before);
        }
        assertThat(results[1]).isEqualTo(results[0]);
    }

    @ParameterizedTest
    @CsvSource({"1, 70, 256", "9, 200, 384", "67, 36, 1408"})
    void biasesOfPlainProducts(int count, int out, int in) {
        float[] x = signs(count * in);
        float[] norm = weight(in);
        LinearWeights weights = plain(out, in, 0.05);
        float[] bias = normal(out, 3);
        float[] before = normal(count * out, 1);
        assertClose(
                biased(kernels, x, norm, null, weights, bias, before),
                biased(reference, x, norm, null, weights, bias, before),
                1e-5);
    }

    private static float[] biased(
            Kernels k,
            float[] x,
            float[] norm,
            @Nullable InputSpec spec,
            LinearWeights weights,
            float[] bias,
            float[] before) {
        int count = x.length / weights.in();
        Rows rows = decodes(count);
        Matrix hidden = k.matrix(count, weights.in());
        k.write(hidden, x);
        Activation in = k.activation(count, weights.in(), spec);
        k.normalize(rows, hidden, norm, 0, in);
        Matrix y = k.matrix(count, weights.out());
        k.write(y, before);
        k.projectAdd(rows, in, k.load(weights, bias), 0, LowRank.O, y);
        return k.read(y, count);
    }

    /** An attention block: Qwen2's biases, Qwen3's norms, Mistral's window. */
    private final class Attention {
        final int hidden = 256;
        final int heads;
        final int kvHeads;
        final int headDim;
        final int bits;
        final int window;
        final LinearWeights[] weights = new LinearWeights[3];
        final float[][] biases = new float[3][];
        final @Nullable HeadNorms norms;
        final float[] norm = weight(hidden);
        final int[] order = order(hidden);

        Attention(int heads, int kvHeads, int headDim, int bits, int window, boolean norms) {
            this.heads = heads;
            this.kvHeads = kvHeads;
            this.headDim = headDim;
            this.bits = bits;
            this.window = window;
            for (int p = 0; p < 3; p++) {
                int out = (p == 0 ? heads : kvHeads) * headDim;
                weights[p] = weights(bits, out, hidden);
                biases[p] = normal(out, 2);
            }
            this.norms =
                    norms ? new HeadNorms(normal(headDim, 1), normal(headDim, 1), 1e-6f) : null;
        }

        /**
         * The output of one sequence, and beside it a shorter one.
         *
         * @param cuts where the sequence is cut into steps
         */
        float[] run(Kernels k, float[] x, int... cuts) {
            int count = cuts[cuts.length - 1];
            int blocks = (count + 15) / 16;
            int[] own = new int[blocks];
            Arrays.setAll(own, b -> blocks - 1 - b);
            KvCache cache =
                    k.allocate(
                            new KvShape(1, blocks + 1, kvHeads, headDim, KvFormat.of(bits != 0)));
            Kernels.Linear[] loaded = new Kernels.Linear[3];
            Arrays.setAll(loaded, p -> k.load(weights[p], biases[p]));
            Rope rope = Rope.of(count, headDim, 10_000);
            float[] out = new float[count * heads * headDim];
            for (int c = 0; c + 1 < cuts.length; c++) {
                int first = cuts[c];
                int length = cuts[c + 1] - first;
                // every other step another sequence's row comes first
                int before = c % 2;
                int[] positions = new int[before + length];
                Arrays.setAll(positions, i -> i < before ? 5 : first + i - before);
                List<Rows.Span> spans = new ArrayList<>();
                if (before > 0) {
                    spans.add(new Rows.Span(0, 1, new int[] {blocks}));
                }
                spans.add(new Rows.Span(before, length, own));
                Rows rows =
                        new Rows(
                                new int[before + length],
                                positions,
                                spans.toArray(Rows.Span[]::new),
                                new Rows.Segment[0]);
                Matrix in = k.matrix(before + length, hidden);
                float[] some = new float[(before + length) * hidden];
                System.arraycopy(x, first * hidden, some, before * hidden, length * hidden);
                System.arraycopy(x, 0, some, 0, before * hidden);
                k.write(in, some);
                Activation codes = k.activation(before + length, hidden, spec(bits, order));
                k.normalize(rows, in, norm, 1e-5f, codes);
                Matrix queries = k.matrix(before + length, heads * headDim);
                k.projectQkv(
                        rows, codes, loaded[0], loaded[1], loaded[2], 0, norms, rope, cache,
                        queries);
                Activation mixed = k.activation(before + length, heads * headDim, null);
                k.attend(rows, queries, cache, 0, window, mixed);
                float[] plain = k.readPlain(mixed, before + length);
                int width = heads * headDim;
                System.arraycopy(plain, before * width, out, first * width, length * width);
            }
            return out;
        }
    }

    @ParameterizedTest
    @CsvSource({
        // heads, key heads, size, bits, window, norms
        "4, 2, 64, 0, 2147483647, true",
        "2, 2, 128, 4, 2147483647, true",
        "4, 2, 64, 4, 2147483647, true",
        "4, 2, 64, 4, 1, false",
        "4, 2, 64, 4, 7, true",
        "4, 1, 128, 4, 64, false",
        "4, 2, 64, 4, 200, false",
        "2, 2, 64, 4, 256, false",
        "4, 2, 64, 8, 257, true",
        "9, 1, 128, 4, 300, false",
        "2, 2, 64, 0, 1, false",
        "4, 2, 64, 0, 200, false",
        "2, 2, 128, 0, 256, true",
        "5, 1, 64, 0, 300, false"
    })
    void attentionOfOtherFamilies(
            int heads, int kvHeads, int headDim, int bits, int window, boolean norms) {
        Attention block = new Attention(heads, kvHeads, headDim, bits, window, norms);
        int count = 530;
        float[] x = normal(count * block.hidden, 1);
        float[] expected = block.run(reference, x, 0, count);
        float[] actual = block.run(kernels, x, 0, count);
        if (bits == 0) {
            assertClose(actual, expected, plainTolerance());
        } else {
            assertMostlyClose(actual, expected);
        }
        // rows that attend together and alone, and where windows begin within, at and after chunks
        float[] cut =
                block.run(kernels, x, 0, 3, 40, 255, 256, 257, 262, 400, 511, 512, 513, 529, count);
        assertThat(cut).isEqualTo(actual);
    }

    /** A mixture and what it is given: rows that leave the norm without rounding. */
    private final class Mixture {
        final int hidden = 256;
        final int inner = 384;
        final int experts;
        final int perRow;
        final int bits;
        final LinearWeights.Bf16 router;
        final List<ExpertWeights> weights = new ArrayList<>();
        final float[] norm = weight(hidden);
        final int[] order = order(hidden);

        Mixture(int experts, int perRow, int bits) {
            this.experts = experts;
            this.perRow = perRow;
            this.bits = bits;
            router = plain(experts, hidden, 0.02);
            for (int e = 0; e < experts; e++) {
                weights.add(
                        new ExpertWeights(
                                weights(bits, inner, hidden),
                                weights(bits, inner, hidden),
                                weights(bits, hidden, inner)));
            }
        }

        /** A device's memory for this. */
        final class On {
            final Kernels k;
            final Experts loaded;
            final Matrix given;
            final Matrix to;
            final Activation in;
            final Activation between;

            On(Kernels k, int most) {
                this.k = k;
                loaded = k.loadExperts(router, weights, perRow);
                given = k.matrix(most, hidden);
                to = k.matrix(most, hidden);
                in = k.activation(most, hidden, spec(bits, order));
                between = k.gated(most * perRow, inner, spec(bits, null));
            }

            void compute(Rows rows) {
                k.normalize(rows, given, norm, 0, in);
                k.experts(rows, in, loaded, between, to);
            }

            float[] run(float[] x, float[] before) {
                int count = x.length / hidden;
                k.write(given, x);
                k.write(to, before);
                compute(decodes(count));
                return k.read(to, count);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "8, 2, 0, 1",
        "8, 2, 0, 70",
        "8, 2, 4, 1",
        "8, 2, 4, 7",
        "8, 2, 4, 130",
        "4, 1, 4, 33",
        "4, 3, 4, 200",
        "40, 2, 4, 50",
        "8, 2, 8, 21"
    })
    void mixtureOfExperts(int experts, int perRow, int bits, int count) {
        Mixture mixture = new Mixture(experts, perRow, bits);
        float[] x = signs(count * mixture.hidden);
        float[] before = normal(count * mixture.hidden, 1);
        float[] expected = mixture.new On(reference, count).run(x, before);
        Routing chosen = reference.routing();
        Mixture.On on = mixture.new On(kernels, count);
        assertThat(on.loaded.count()).isEqualTo(experts);
        assertThat(on.loaded.perRow()).isEqualTo(perRow);
        assertThat(on.loaded.intermediate()).isEqualTo(mixture.inner);
        float[] actual = on.run(x, before);
        Routing own = kernels.routing();
        assertThat(own.starts()).isEqualTo(chosen.starts());
        assertThat(own.rows()).isEqualTo(chosen.rows());
        assertClose(own.weights(), chosen.weights(), 1e-5);
        float[] down = kernels.readPlain(on.between, count * perRow);
        if (bits == 0) {
            assertClose(actual, expected, 1e-5);
        } else {
            assertMostlyClose(actual, expected);
        }
        // alone, among others, a row is the same
        for (int r = 0; r < count; r += 1 + count / 5) {
            float[] alone =
                    on.run(
                            Arrays.copyOfRange(x, r * mixture.hidden, (r + 1) * mixture.hidden),
                            Arrays.copyOfRange(
                                    before, r * mixture.hidden, (r + 1) * mixture.hidden));
            assertThat(alone)
                    .isEqualTo(
                            Arrays.copyOfRange(
                                    actual, r * mixture.hidden, (r + 1) * mixture.hidden));
            Routing one = kernels.routing();
            assertThat(one.rows()).hasSize(perRow).containsOnly(0);
            float[] read = kernels.readPlain(on.between, perRow);
            int next = 0;
            for (int pair = 0; pair < own.rows().length; pair++) {
                if (own.rows()[pair] == r) {
                    assertThat(Arrays.copyOfRange(read, next, next + mixture.inner))
                            .isEqualTo(
                                    Arrays.copyOfRange(
                                            down,
                                            pair * mixture.inner,
                                            (pair + 1) * mixture.inner));
                    next += mixture.inner;
                }
            }
            assertThat(next).isEqualTo(perRow * mixture.inner);
        }
    }

    /** A step that is recorded serves other rows, which choose other experts. */
    @ParameterizedTest
    @CsvSource({"0", "4"})
    void recordedMixtures(int bits) {
        int count = 12;
        Mixture mixture = new Mixture(8, 2, bits);
        Mixture.On on = mixture.new On(kernels, count);
        float[] before = normal(count * mixture.hidden, 1);
        for (int round = 0; round < 4; round++) {
            int fewer = count - round % 2; // the same recorded size, one row less
            float[] x = signs(fewer * mixture.hidden);
            float[] to = Arrays.copyOf(before, fewer * mixture.hidden);
            float[] expected = on.run(x, to);
            Routing chosen = kernels.routing();
            kernels.write(on.given, x);
            kernels.write(on.to, to);
            Rows rows = decodes(fewer);
            kernels.step(rows, new int[0], List.of(), () -> on.compute(rows));
            assertThat(kernels.read(on.to, fewer)).isEqualTo(expected);
            assertThat(kernels.routing().rows()).isEqualTo(chosen.rows());
        }
    }
}
