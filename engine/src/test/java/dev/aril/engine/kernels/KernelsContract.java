package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.aril.engine.kernels.Kernels.Activation;
import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.kernels.Kernels.KvCache;
import dev.aril.engine.kernels.Kernels.Linear;
import dev.aril.engine.kernels.Kernels.Matrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every implementation of {@link Kernels} must do, told by {@link ReferenceKernels}: each
 * operation at, below and above the edges of tiles, and rows that do not change when others are
 * computed beside them.
 */
abstract class KernelsContract {
    private static final int GROUP = 128;

    private final Kernels reference = new ReferenceKernels();
    private final Kernels kernels = kernels();
    private final Random random = new Random(7);

    /** The implementation to test. */
    abstract Kernels kernels();

    @AfterEach
    void close() {
        kernels.close();
        reference.close();
    }

    private float[] normal(int size) {
        float[] x = new float[size];
        for (int i = 0; i < size; i++) {
            x[i] = (float) random.nextGaussian();
        }
        return x;
    }

    /** Values with a few strong channels, as activations have them. */
    private float[] outlying(int rows, int columns) {
        float[] x = normal(rows * columns);
        for (int r = 0; r < rows; r++) {
            for (int c = columns - 9; c < columns; c++) {
                x[r * columns + c] *= 25;
            }
        }
        return x;
    }

    private LinearWeights.Int4 int4(int out, int in) {
        return int4(out, in, GROUP, 128);
    }

    private LinearWeights.Int4 int4(int out, int in, int group, int outliers) {
        int groups = (in - outliers) / group;
        byte[] nibbles = new byte[out * (in - outliers) / 2];
        byte[] codes = new byte[out * outliers];
        random.nextBytes(nibbles);
        for (int i = 0; i < nibbles.length; i++) {
            int low = nibbles[i] & 15;
            int high = nibbles[i] >> 4 & 15;
            nibbles[i] = (byte) ((low == 8 ? 9 : low) | (high == 8 ? 9 : high) << 4);
        }
        random.nextBytes(codes);
        for (int i = 0; i < codes.length; i++) {
            codes[i] = codes[i] == -128 ? -127 : codes[i];
        }
        short[] scales = new short[out * groups];
        float[] outlierScales = new float[out];
        for (int i = 0; i < scales.length; i++) {
            scales[i] = Float.floatToFloat16(0.002f + random.nextFloat() * 0.01f);
        }
        for (int i = 0; i < out; i++) {
            outlierScales[i] = 0.0002f + random.nextFloat() * 0.001f;
        }
        return new LinearWeights.Int4(
                out, in, group, outliers, nibbles, scales, codes, outlierScales);
    }

    private LinearWeights.Bf16 bf16(int out, int in) {
        short[] bits = new short[out * in];
        for (int i = 0; i < bits.length; i++) {
            bits[i] =
                    (short) (Float.floatToRawIntBits((float) random.nextGaussian() * 0.05f) >>> 16);
        }
        return new LinearWeights.Bf16(out, in, bits);
    }

    private LinearWeights weights(boolean quantized, int out, int in) {
        return quantized ? int4(out, in) : bf16(out, in);
    }

    private @Nullable InputSpec spec(boolean quantized, int columns, boolean shuffled) {
        if (!quantized) {
            return null;
        }
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < columns; i++) {
            order.add(i);
        }
        java.util.Collections.shuffle(order, random);
        int[] permutation = order.stream().mapToInt(i -> i).toArray();
        return new InputSpec(shuffled ? permutation : null, GROUP, 128, 4, 0.95f, true);
    }

    private LowRank pair(int rank, int in, int out) {
        float[] a = normal(rank * in);
        float[] b = normal(out * rank);
        for (int i = 0; i < a.length; i++) {
            a[i] *= 0.05f;
        }
        for (int i = 0; i < b.length; i++) {
            b[i] *= 0.1f;
        }
        return new LowRank(rank, a, b);
    }

    /** One layer's adapter of a rank; every third projection is left out. */
    private @Nullable LowRank[][] adapter(int rank, Shape s) {
        @Nullable LowRank[] layer = new LowRank[LowRank.COUNT];
        int[][] widths = {
            {s.hidden, s.queries()},
            {s.hidden, s.keys()},
            {s.hidden, s.keys()},
            {s.queries(), s.hidden},
            {s.hidden, s.mlp},
            {s.hidden, s.mlp},
            {s.mlp, s.hidden}
        };
        for (int p = 0; p < layer.length; p++) {
            layer[p] = rank > 3 && p % 3 == 1 ? null : pair(rank, widths[p][0], widths[p][1]);
        }
        return new LowRank[][] {layer};
    }

    private record Shape(int hidden, int mlp, int heads, int kvHeads, int headDim) {
        int queries() {
            return heads * headDim;
        }

        int keys() {
            return kvHeads * headDim;
        }
    }

    private static final Shape SMALL = new Shape(384, 640, 6, 2, 64);
    private static final Shape WIDE = new Shape(256, 384, 2, 2, 128);

    private static Rows oneSpan(int count) {
        int[] tokens = new int[count];
        int[] positions = new int[count];
        for (int i = 0; i < count; i++) {
            positions[i] = i;
        }
        int[] blocks = new int[count / 16 + 1];
        for (int i = 0; i < blocks.length; i++) {
            blocks[i] = blocks.length - 1 - i;
        }
        return new Rows(
                tokens,
                positions,
                new Rows.Span[] {new Rows.Span(0, count, blocks)},
                new Rows.Segment[0]);
    }

    /** Close relative to the largest value: sums of different order, the same numbers. */
    private static void assertClose(float[] actual, float[] expected, double tolerance) {
        double largest = 0;
        for (float v : expected) {
            largest = Math.max(largest, Math.abs(v));
        }
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat((double) actual[i])
                    .as("element " + i)
                    .isCloseTo(
                            expected[i], org.assertj.core.data.Offset.offset(tolerance * largest));
        }
    }

    @Test
    void embeddingIsALookUp() {
        LinearWeights.Bf16 table = bf16(50, 64);
        Rows rows =
                new Rows(
                        new int[] {49, 0, 7},
                        new int[] {0, 1, 2},
                        oneSpan(3).spans(),
                        new Rows.Segment[0]);
        Matrix expected = reference.matrix(3, 64);
        Matrix actual = kernels.matrix(3, 64);
        reference.embed(rows, reference.loadTable(table.bits(), 50, 64), expected);
        kernels.embed(rows, kernels.loadTable(table.bits(), 50, 64), actual);
        assertThat(kernels.read(actual, 3)).isEqualTo(reference.read(expected, 3));
    }

    /**
     * Extreme codes, zero rows and one output more than a block: the same bits as the definition.
     */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 31, 32, 33, 67})
    void quantizedProjectionHasTheDefinedBits(int count) {
        int in = 384;
        int out = 193;
        LinearWeights.Int4 weights = int4(out, in);
        Arrays.fill(weights.nibbles(), 0, (in - 128) / 2, (byte) 0x99); // a row of -7
        InputSpec spec = spec(true, in, true);
        float[] x = outlying(count, in);
        Arrays.fill(x, 0, in, 0f); // a row of zeros
        float[] residual = normal(count * out);

        float[][] results = new float[2][];
        Kernels[] both = {reference, kernels};
        for (int i = 0; i < 2; i++) {
            Kernels k = both[i];
            // gateUp and attend also quantize; the norm is the shortest way to given codes
            Matrix hidden = k.matrix(count, in);
            k.write(hidden, x);
            Activation a = k.activation(count, in, spec);
            float[] ones = new float[in];
            Arrays.fill(ones, 1f);
            k.normalize(oneSpan(count), hidden, ones, 1e-5f, a);
            Matrix y = k.matrix(count, out);
            k.write(y, residual);
            k.projectAdd(oneSpan(count), a, k.load(weights), 0, LowRank.O, y);
            results[i] = k.read(y, count);
        }
        // the norm's sum may differ in its last bit, which moves scales, rarely a code
        assertClose(results[1], results[0], 2e-3);
        int different = 0;
        for (int i = 0; i < results[0].length; i++) {
            different +=
                    Math.abs(results[0][i] - results[1][i]) > 1e-5 * (1 + Math.abs(results[0][i]))
                            ? 1
                            : 0;
        }
        assertThat(different).isLessThanOrEqualTo(results[0].length / 50);
    }

    /**
     * Rows of ones and minus ones leave the norm without rounding, so codes are the same everywhere
     * and the sums must be, to the last bit: at, below and above the edges of tiles of rows and
     * outputs, with more tiles than a device works on at once, with so few groups that most runs
     * have none.
     */
    @ParameterizedTest
    @CsvSource({
        "1, 193, 256",
        "3, 17000, 256",
        "9, 200, 768",
        "33, 300, 1408",
        "64, 1000, 1408",
        "66, 17000, 256",
        "67, 304, 1408",
        "130, 1000, 1408",
        "257, 640, 1408"
    })
    void productsHaveTheDefinedBits(int count, int out, int in) {
        productsHaveTheDefinedBits(count, int4(out, in), 4, true);
    }

    @ParameterizedTest
    @CsvSource({"1, 193, 256", "3, 200, 768", "33, 300, 1408", "66, 1000, 384", "130, 304, 1408"})
    void eightBitActivationsHaveTheDefinedBits(int count, int out, int in) {
        productsHaveTheDefinedBits(count, int4(out, in), 8, true);
    }

    /** Whether groups may be unrotated and of any width, with any number of outliers. */
    boolean takesAnyGroups() {
        return true;
    }

    /** Atom's groups, and those of an ablation: a whole row one group, no outliers. */
    @ParameterizedTest
    @CsvSource({
        "1, 193, 384, 128, 128, 4",
        "5, 70, 384, 128, 128, 8",
        "1, 193, 384, 384, 0, 4",
        "35, 70, 1024, 1024, 0, 4",
        "3, 200, 768, 128, 0, 4"
    })
    void unrotatedGroupsHaveTheDefinedBits(
            int count, int out, int in, int group, int outliers, int bits) {
        assumeTrue(takesAnyGroups());
        productsHaveTheDefinedBits(count, int4(out, in, group, outliers), bits, false);
    }

    private void productsHaveTheDefinedBits(
            int count, LinearWeights.Int4 weights, int bits, boolean rotated) {
        int in = weights.in();
        int out = weights.out();
        InputSpec shuffled = java.util.Objects.requireNonNull(spec(true, in, true));
        InputSpec spec =
                new InputSpec(
                        shuffled.order(),
                        weights.group(),
                        weights.outliers(),
                        bits,
                        bits == 4 ? 0.95f : 1,
                        rotated);
        float[] weight = outlying(1, in);
        float[] signs = normal(count * in);
        for (int i = 0; i < signs.length; i++) {
            signs[i] = Math.signum(signs[i]) >= 0 ? 1 : -1;
        }
        float[] residual = normal(count * out);
        float[][] results = new float[2][];
        Kernels[] both = {reference, kernels};
        for (int i = 0; i < 2; i++) {
            Kernels k = both[i];
            Matrix hidden = k.matrix(count, in);
            k.write(hidden, signs);
            Activation a = k.activation(count, in, spec);
            k.normalize(oneSpan(count), hidden, weight, 0, a);
            Matrix y = k.matrix(count, out);
            k.write(y, residual);
            k.projectAdd(oneSpan(count), a, k.load(weights), 0, LowRank.O, y);
            results[i] = k.read(y, count);
        }
        assertThat(results[1]).isEqualTo(results[0]);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 16, 33})
    void normalizeWritesThePlainRows(int count) {
        float[] x = outlying(count, 384);
        float[] weight = normal(384);
        float[][] results = new float[2][];
        Kernels[] both = {reference, kernels};
        for (int i = 0; i < 2; i++) {
            Matrix hidden = both[i].matrix(count, 384);
            both[i].write(hidden, x);
            Activation a = both[i].activation(count, 384, null);
            both[i].normalize(oneSpan(count), hidden, weight, 1e-5f, a);
            results[i] = both[i].readPlain(a, count);
        }
        assertClose(results[1], results[0], plainTolerance());
    }

    /** Of the plain rows, relative to the largest value. */
    double plainTolerance() {
        return 1e-6;
    }

    /** Of a bf16 layer with adapters, relative to the largest value. */
    double layerTolerance() {
        return 2e-5;
    }

    /**
     * A decoder layer of several sequences with adapters of different ranks, in both precisions.
     */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void layerOfAMixedBatch(boolean quantized) {
        for (Layer layer :
                List.of(
                        new Layer(quantized, SMALL),
                        new Layer(quantized, WIDE),
                        new Layer(quantized, SMALL, true, 5),
                        new Layer(quantized, WIDE, true, 18))) {
            Shape shape = layer.s;
            Mix mix = new Mix(shape);
            float[] x = outlying(mix.count, shape.hidden);
            float[] expected = layer.run(reference, mix, x, 0, mix.count);
            float[] actual = layer.run(kernels, mix, x, 0, mix.count);
            if (quantized) {
                // a code that rounds the other way moves a row's outputs by a step of its scale
                assertMostlyClose(actual, expected);
            } else {
                assertClose(actual, expected, layerTolerance());
            }
        }
    }

    /**
     * Root mean square of the differences over that of the values, of what is quantized in between.
     */
    double quantizedTolerance() {
        return 2e-2;
    }

    private void assertMostlyClose(float[] actual, float[] expected) {
        double error = 0;
        double signal = 0;
        for (int i = 0; i < expected.length; i++) {
            error += Math.pow(actual[i] - expected[i], 2);
            signal += Math.pow(expected[i], 2);
        }
        assertThat(Math.sqrt(error / signal)).isLessThan(quantizedTolerance());
    }

    /**
     * Every kind of rank in one batch, segments longer than a tile, rows without adapter, and some
     * projections not adapted: close to the reference, whose weights and inputs may have more bits
     * than a device keeps, and each row the same bits alone.
     */
    @Test
    void adaptersOfEveryRank() {
        int in = 384;
        int out = 260;
        int[] ranks = {1, 3, 8, 16, 24, 64, 0, 200, 256};
        int[] lengths = {1, 9, 2, 70, 1, 8, 3, 5, 33};
        int count = Arrays.stream(lengths).sum();
        List<@Nullable LowRank[][]> adapters = new ArrayList<>();
        for (int rank : ranks) {
            @Nullable LowRank[] layer = new LowRank[LowRank.COUNT];
            if (rank > 0) {
                layer[LowRank.O] = pair(rank, in, out);
            }
            adapters.add(new LowRank[][] {layer});
        }
        LinearWeights base = bf16(out, in);
        float[] x = normal(count * in);
        float[] expected = adapt(reference, base, adapters, lengths, x, 0, count, out);
        float[] actual = adapt(kernels, base, adapters, lengths, x, 0, count, out);
        assertMostlyClose(actual, expected);
        for (int row = 0; row < count; row += 3) {
            float[] own = Arrays.copyOfRange(x, row * in, (row + 1) * in);
            float[] alone = adapt(kernels, base, adapters, lengths, own, row, 1, out);
            assertThat(alone).isEqualTo(Arrays.copyOfRange(actual, row * out, (row + 1) * out));
        }
    }

    /** Rows first .. first + count - 1 of a batch of those lengths through one projection. */
    private static float[] adapt(
            Kernels k,
            LinearWeights base,
            List<@Nullable LowRank[][]> adapters,
            int[] lengths,
            float[] x,
            int first,
            int count,
            int out) {
        List<Rows.Segment> segments = new ArrayList<>();
        int at = 0;
        for (int s = 0; s < lengths.length; s++) {
            int from = Math.max(at, first);
            int to = Math.min(at + lengths[s], first + count);
            if (from < to) {
                segments.add(new Rows.Segment(from - first, to - from, k.load(adapters.get(s))));
            }
            at += lengths[s];
        }
        Rows plain = oneSpan(count);
        Rows rows =
                new Rows(
                        plain.tokens(),
                        plain.positions(),
                        plain.spans(),
                        segments.toArray(Rows.Segment[]::new));
        int in = x.length / count;
        float[] ones = new float[in];
        Arrays.fill(ones, 1f);
        Matrix hidden = k.matrix(count, in);
        k.write(hidden, x);
        Activation a = k.activation(count, in, null);
        k.normalize(rows, hidden, ones, 1e-5f, a);
        Matrix y = k.matrix(count, out);
        k.write(y, new float[count * out]);
        k.projectAdd(rows, a, k.load(base), 0, LowRank.O, y);
        return k.read(y, count);
    }

    /** The promise that neighbours never change a sequence: bit for bit. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void rowsAreTheSameAlone(boolean quantized) {
        rowsAreTheSameAlone(new Layer(quantized, SMALL));
        rowsAreTheSameAlone(new Layer(quantized, SMALL, true, 18));
    }

    private void rowsAreTheSameAlone(Layer layer) {
        Mix mix = new Mix(SMALL);
        float[] x = outlying(mix.count, SMALL.hidden);
        float[] together = layer.run(kernels, mix, x, 0, mix.count);
        for (int s = 0; s < mix.lengths.length; s++) {
            int first = mix.first(s);
            int length = mix.lengths[s];
            float[] alone =
                    layer.run(
                            kernels,
                            mix,
                            Arrays.copyOfRange(
                                    x, first * SMALL.hidden, (first + length) * SMALL.hidden),
                            first,
                            length);
            assertThat(alone)
                    .isEqualTo(
                            Arrays.copyOfRange(
                                    together,
                                    first * SMALL.hidden,
                                    (first + length) * SMALL.hidden));
        }
    }

    /** Sequences of several lengths, with adapters of ranks 1, 16, 40 and none. */
    private final class Mix {
        final int[] lengths = {1, 5, 37, 1, 16, 2};
        final int[] ranks = {1, 16, 40, 0, 0, 0};
        final List<@Nullable LowRank[][]> adapters = new ArrayList<>();
        final int count = Arrays.stream(lengths).sum();

        Mix(Shape shape) {
            for (int rank : ranks) {
                adapters.add(rank == 0 ? null : adapter(rank, shape));
            }
        }

        int first(int sequence) {
            return Arrays.stream(lengths, 0, sequence).sum();
        }

        /** Rows first .. first + count - 1, which hold whole sequences. */
        Rows rows(Kernels k, int from, int rowCount) {
            List<Rows.Span> spans = new ArrayList<>();
            List<Rows.Segment> segments = new ArrayList<>();
            int[] positions = new int[rowCount];
            int block = 0;
            for (int s = 0; s < lengths.length; s++) {
                int[] blocks = new int[(lengths[s] + 15) / 16];
                for (int b = 0; b < blocks.length; b++) {
                    blocks[b] = block++;
                }
                int first = first(s) - from;
                if (first < 0 || first >= rowCount) {
                    continue;
                }
                for (int i = 0; i < lengths[s]; i++) {
                    positions[first + i] = i;
                }
                spans.add(new Rows.Span(first, lengths[s], blocks));
                @Nullable LowRank[][] own = adapters.get(s);
                if (own != null) {
                    Adapter loaded = k.load(own);
                    assertThat(loaded.bytes()).isPositive();
                    segments.add(new Rows.Segment(first, lengths[s], loaded));
                }
            }
            return new Rows(
                    new int[rowCount],
                    positions,
                    spans.toArray(Rows.Span[]::new),
                    segments.toArray(Rows.Segment[]::new));
        }
    }

    /** A decoder layer's weights. */
    private final class Layer {
        final boolean quantized;
        final KvFormat format;
        final Shape s;
        final LinearWeights[] w;
        final @Nullable InputSpec attention;
        final @Nullable InputSpec output;
        final @Nullable InputSpec mlp;
        final @Nullable InputSpec down;
        final float[] norm;

        /** Null entries where a projection has none. */
        final float[] @Nullable [] biases = new float[7][];

        final @Nullable HeadNorms norms;
        final int window;

        /** As plain Llama's. */
        Layer(boolean quantized, Shape s) {
            this(quantized, s, 4, KvFormat.of(quantized));
        }

        /** A layer with Atom's cache has unrotated groups, as the recipe has. */
        Layer(boolean quantized, Shape s, int bits, KvFormat format) {
            this(quantized, s, bits, format, false, Kernels.NO_WINDOW);
        }

        /**
         * @param more biases of attention's projections, and norms of its heads
         */
        Layer(boolean quantized, Shape s, boolean more, int window) {
            this(quantized, s, 4, KvFormat.of(quantized), more, window);
        }

        Layer(boolean quantized, Shape s, int bits, KvFormat format, boolean more, int window) {
            this.quantized = quantized;
            this.format = format;
            this.s = s;
            this.window = window;
            norms = more ? new HeadNorms(normal(s.headDim), normal(s.headDim), 1e-6f) : null;
            int[] widths = {s.queries(), s.keys(), s.keys(), s.hidden};
            for (int p = 0; more && p < widths.length; p++) {
                biases[p] = normal(widths[p]);
            }
            w =
                    new LinearWeights[] {
                        weights(quantized, s.queries(), s.hidden),
                        weights(quantized, s.keys(), s.hidden),
                        weights(quantized, s.keys(), s.hidden),
                        weights(quantized, s.hidden, s.queries()),
                        weights(quantized, s.mlp, s.hidden),
                        weights(quantized, s.mlp, s.hidden),
                        weights(quantized, s.hidden, s.mlp)
                    };
            attention = with(spec(quantized, s.hidden, true), bits);
            output = with(spec(quantized, s.queries(), true), bits);
            mlp = with(spec(quantized, s.hidden, true), bits);
            down = with(spec(quantized, s.mlp, false), bits);
            norm = normal(s.hidden);
        }

        private @Nullable InputSpec with(@Nullable InputSpec spec, int bits) {
            return spec == null
                    ? null
                    : new InputSpec(
                            spec.order(),
                            spec.group(),
                            spec.outliers(),
                            bits,
                            bits == 4 ? spec.clip() : 1,
                            format != KvFormat.INT4_BEFORE_ROPE);
        }

        float[] run(Kernels k, Mix mix, float[] x, int from, int count) {
            Linear[] l = new Linear[w.length];
            for (int p = 0; p < w.length; p++) {
                l[p] = load(k, p);
            }
            KvCache cache = k.allocate(new KvShape(1, 12, s.kvHeads, s.headDim, format));
            Rope rope = Rope.of(64, s.headDim, 10_000);
            Rows rows = mix.rows(k, from, count);
            Matrix hidden = k.matrix(count, s.hidden);
            k.write(hidden, x);
            Matrix queries = k.matrix(count, s.queries());
            Activation first = k.activation(count, s.hidden, attention);
            Activation attended = k.activation(count, s.queries(), output);
            Activation second = k.sharing(first, mlp);
            Activation inner = k.activation(count, s.mlp, down);
            k.normalize(rows, hidden, norm, 1e-5f, first);
            k.projectQkv(rows, first, l[0], l[1], l[2], 0, norms, rope, cache, queries);
            k.attend(rows, queries, cache, 0, window, attended);
            k.projectAdd(rows, attended, l[3], 0, LowRank.O, hidden);
            k.normalize(rows, hidden, norm, 1e-5f, second);
            k.gateUp(rows, second, l[4], l[5], 0, inner);
            k.projectAdd(rows, inner, l[6], 0, LowRank.DOWN, hidden);
            return k.read(hidden, count);
        }

        private Layer(Layer of, int window) {
            quantized = of.quantized;
            format = of.format;
            s = of.s;
            w = of.w;
            attention = of.attention;
            output = of.output;
            mlp = of.mlp;
            down = of.down;
            norm = of.norm;
            norms = of.norms;
            System.arraycopy(of.biases, 0, biases, 0, biases.length);
            this.window = window;
        }

        Layer behind(int positions) {
            return new Layer(this, positions);
        }

        Linear load(Kernels k, int projection) {
            return k.load(w[projection], biases[projection]);
        }
    }

    /** A prompt gives the same cache and outputs however it is cut. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void chunksOfAPromptChangeNothing(boolean quantized) {
        Layer plain = new Layer(quantized, SMALL);
        chunksChangeNothing(plain, 0, 3, 16, 17, 40, 41);
        // rows that attend together and alone, on both sides of 256 positions
        chunksChangeNothing(plain, 0, 64, 250, 258, 299, 300);
    }

    /** Nor does it where rows see a window, shorter or longer than a block. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void chunksChangeNothingBehindAWindow(boolean quantized) {
        chunksChangeNothing(new Layer(quantized, SMALL, true, 7), 0, 3, 16, 17, 40, 41);
        chunksChangeNothing(new Layer(quantized, SMALL, true, 37), 0, 64, 250, 258, 299, 300);
    }

    private void chunksChangeNothing(Layer layer, int... pieces) {
        Shape s = layer.s;
        boolean quantized = layer.quantized;
        int count = pieces[pieces.length - 1];
        int[] blocks = new int[(count + 15) / 16];
        Arrays.setAll(blocks, b -> (b + 2) % blocks.length);
        float[] x = outlying(count, s.hidden);
        float[][] results = new float[2][];
        for (int i = 0; i < 2; i++) {
            int[] cuts = i == 0 ? new int[] {0, count} : pieces;
            KvCache cache =
                    kernels.allocate(
                            new KvShape(
                                    1,
                                    blocks.length,
                                    s.kvHeads,
                                    s.headDim,
                                    KvFormat.of(quantized)));
            float[] out = new float[count * s.queries()];
            for (int c = 0; c + 1 < cuts.length; c++) {
                int rowCount = cuts[c + 1] - cuts[c];
                int[] positions = new int[rowCount];
                for (int r = 0; r < rowCount; r++) {
                    positions[r] = cuts[c] + r;
                }
                Rows rows =
                        new Rows(
                                new int[rowCount],
                                positions,
                                new Rows.Span[] {new Rows.Span(0, rowCount, blocks)},
                                new Rows.Segment[0]);
                Matrix hidden = kernels.matrix(rowCount, s.hidden);
                kernels.write(
                        hidden, Arrays.copyOfRange(x, cuts[c] * s.hidden, cuts[c + 1] * s.hidden));
                Activation in = kernels.activation(rowCount, s.hidden, layer.attention);
                kernels.normalize(rows, hidden, layer.norm, 1e-5f, in);
                Matrix queries = kernels.matrix(rowCount, s.queries());
                kernels.projectQkv(
                        rows,
                        in,
                        layer.load(kernels, 0),
                        layer.load(kernels, 1),
                        layer.load(kernels, 2),
                        0,
                        layer.norms,
                        Rope.of(300, s.headDim, 10_000),
                        cache,
                        queries);
                Activation attended = kernels.activation(rowCount, s.queries(), null);
                kernels.attend(rows, queries, cache, 0, layer.window, attended);
                float[] plain = kernels.readPlain(attended, rowCount);
                System.arraycopy(plain, 0, out, cuts[c] * s.queries(), plain.length);
            }
            results[i] = out;
        }
        assertThat(results[1]).isEqualTo(results[0]);
    }

    /** Contexts of several chunks, groups of query heads of several sizes, the largest rank. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void longContextsAndLargeGroups(boolean quantized) {
        List<Shape> shapes =
                List.of(
                        new Shape(256, 256, 5, 1, 64),
                        new Shape(256, 256, 4, 2, 128),
                        new Shape(384, 256, 8, 2, 64),
                        new Shape(256, 256, 3, 1, 128));
        for (Shape shape : shapes) {
            if (quantized && shape.queries() % GROUP != 0) {
                continue; // the output projection's input is cut into whole groups
            }
            Layer layer = new Layer(quantized, shape);
            int count = 263;
            float[] x = outlying(count, shape.hidden);
            @Nullable LowRank[][] adapter = adapter(256, shape);
            float[] expected = longRun(reference, layer, shape, adapter, x, count);
            float[] actual = longRun(kernels, layer, shape, adapter, x, count);
            if (quantized) {
                assertMostlyClose(actual, expected);
            } else {
                assertClose(actual, expected, layerTolerance());
            }
        }
    }

    /** What w4a8 and atom need of a layer, over several chunks of context. */
    @ParameterizedTest
    @CsvSource({"8, INT4_ROTATED", "4, INT4_BEFORE_ROPE", "8, FLOAT"})
    void otherRecipesLayers(int bits, KvFormat format) {
        assumeTrue(format != KvFormat.INT4_BEFORE_ROPE || takesAnyGroups());
        Layer layer = new Layer(true, SMALL, bits, format);
        Mix mix = new Mix(SMALL);
        float[] x = outlying(mix.count, SMALL.hidden);
        assertMostlyClose(
                layer.run(kernels, mix, x, 0, mix.count),
                layer.run(reference, mix, x, 0, mix.count));
        float[] prompt = outlying(263, SMALL.hidden);
        @Nullable LowRank[][] adapter = adapter(16, SMALL);
        assertMostlyClose(
                longRun(kernels, layer, SMALL, adapter, prompt, 263),
                longRun(reference, layer, SMALL, adapter, prompt, 263));
    }

    /** Attention's output of a sequence of 263 rows, the second half of which has an adapter. */
    private static float[] longRun(
            Kernels k, Layer layer, Shape s, @Nullable LowRank[][] adapter, float[] x, int count) {
        int[] blocks = new int[17];
        int[] positions = new int[count];
        Arrays.setAll(blocks, b -> 16 - b);
        Arrays.setAll(positions, i -> i);
        Rows rows =
                new Rows(
                        new int[count],
                        positions,
                        new Rows.Span[] {new Rows.Span(0, count, blocks)},
                        new Rows.Segment[] {new Rows.Segment(131, 132, k.load(adapter))});
        Matrix hidden = k.matrix(count, s.hidden);
        k.write(hidden, x);
        Matrix queries = k.matrix(count, s.queries());
        KvCache cache = k.allocate(new KvShape(1, 17, s.kvHeads, s.headDim, layer.format));
        Activation in = k.activation(count, s.hidden, layer.attention);
        Activation out = k.activation(count, s.queries(), layer.output);
        k.normalize(rows, hidden, layer.norm, 1e-5f, in);
        k.projectQkv(
                rows,
                in,
                layer.load(k, 0),
                layer.load(k, 1),
                layer.load(k, 2),
                0,
                layer.norms,
                Rope.of(300, s.headDim, 10_000),
                cache,
                queries);
        k.attend(rows, queries, cache, 0, layer.window, out);
        return k.readPlain(out, count);
    }

    /** A row alone, parts of a block, whole blocks, one more, many; and more than there is. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void windowsOfEverySize(boolean quantized) {
        int count = 263;
        float[] x = outlying(count, SMALL.hidden);
        @Nullable LowRank[][] adapter = adapter(16, SMALL);
        Layer all = new Layer(quantized, SMALL);
        float[] whole = longRun(kernels, all, SMALL, adapter, x, count);
        for (int window : new int[] {1, 2, 15, 16, 17, 100, 256, 262, 263, 1000}) {
            Layer layer = all.behind(window);
            float[] actual = longRun(kernels, layer, SMALL, adapter, x, count);
            float[] expected = longRun(reference, layer, SMALL, adapter, x, count);
            if (quantized) {
                assertMostlyClose(actual, expected);
            } else {
                assertClose(actual, expected, layerTolerance());
            }
            // rows that the window leaves everything to
            int same = Math.min(window, count) * SMALL.queries();
            assertThat(Arrays.copyOf(actual, same)).isEqualTo(Arrays.copyOf(whole, same));
            if (window < count) {
                assertThat(Arrays.copyOfRange(actual, same, same + SMALL.queries()))
                        .isNotEqualTo(Arrays.copyOfRange(whole, same, same + SMALL.queries()));
            }
        }
    }

    /** Biases are added to the finished product before anything else is: the same bits. */
    @ParameterizedTest
    @CsvSource({"1, 193, 256", "5, 200, 768", "67, 304, 1408", "130, 1000, 1408"})
    void biasesHaveTheDefinedBits(int count, int out, int in) {
        LinearWeights.Int4 weights = int4(out, in);
        InputSpec spec = spec(true, in, true);
        float[] weight = outlying(1, in);
        float[] bias = normal(out);
        float[] signs = normal(count * in);
        for (int i = 0; i < signs.length; i++) {
            signs[i] = Math.signum(signs[i]) >= 0 ? 1 : -1;
        }
        float[] residual = normal(count * out);
        float[][] results = new float[3][];
        Kernels[] each = {reference, kernels, kernels};
        for (int i = 0; i < each.length; i++) {
            Kernels k = each[i];
            Matrix hidden = k.matrix(count, in);
            k.write(hidden, signs);
            Activation a = k.activation(count, in, spec);
            k.normalize(oneSpan(count), hidden, weight, 0, a);
            Matrix y = k.matrix(count, out);
            k.write(y, residual);
            Linear linear = k.load(weights, i == 2 ? null : bias);
            k.projectAdd(oneSpan(count), a, linear, 0, LowRank.O, y);
            results[i] = k.read(y, count);
        }
        assertThat(results[1]).isEqualTo(results[0]).isNotEqualTo(results[2]);
    }

    /** A mixture's weights, and rows none of which is undecided between two experts. */
    private final class Mixed {
        final boolean quantized;
        final int perRow;
        final int hidden = 384;
        final int mlp = 256;
        final LinearWeights.Bf16 router;
        final List<ExpertWeights> experts = new ArrayList<>();
        final @Nullable InputSpec in;
        final float[] norm = normal(hidden);
        final float[] x;
        final int count;

        /**
         * @param count rows
         * @param favourites experts whose router loves what all rows have in common
         */
        Mixed(boolean quantized, int count, int experts, int perRow, int favourites) {
            this.quantized = quantized;
            this.count = count;
            this.perRow = perRow;
            in = spec(quantized, hidden, true);
            for (int e = 0; e < experts; e++) {
                this.experts.add(
                        new ExpertWeights(
                                weights(quantized, mlp, hidden),
                                weights(quantized, mlp, hidden),
                                weights(quantized, hidden, mlp)));
            }
            norm[0] = 4;
            router = bf16(experts, hidden);
            for (int e = 0; e < favourites; e++) {
                router.bits()[e * hidden] = (short) (Float.floatToRawIntBits(8) >>> 16);
            }
            x = new float[count * hidden];
            for (int r = 0; r < count; r++) {
                float[] row = decided();
                System.arraycopy(row, 0, x, r * hidden, hidden);
            }
        }

        /** A row whose choice no rounding of the input changes. */
        private float[] decided() {
            while (true) {
                float[] row = outlying(1, hidden);
                row[0] = 3;
                double squares = 0;
                for (float v : row) {
                    squares += v * v;
                }
                double[] logits = new double[experts.size()];
                for (int e = 0; e < logits.length; e++) {
                    for (int c = 0; c < hidden; c++) {
                        float w = Float.intBitsToFloat(router.bits()[e * hidden + c] << 16);
                        logits[e] += w * row[c] * norm[c] / Math.sqrt(squares / hidden);
                    }
                }
                Arrays.sort(logits);
                int last = logits.length - perRow;
                if (last == 0 || logits[last] - logits[last - 1] > 0.1) {
                    return row;
                }
            }
        }

        /** The hidden states after the mixture, of rows from .. from + rows - 1. */
        float[] run(Kernels k, int from, int rows) {
            Matrix matrix = k.matrix(rows, hidden);
            k.write(matrix, Arrays.copyOfRange(x, from * hidden, (from + rows) * hidden));
            Activation input = k.activation(rows, hidden, in);
            Activation inner = k.gated(rows * perRow, mlp, spec(quantized, mlp, false));
            Kernels.Experts loaded = k.loadExperts(router, experts, perRow);
            assertThat(loaded.count()).isEqualTo(experts.size());
            assertThat(loaded.perRow()).isEqualTo(perRow);
            assertThat(loaded.intermediate()).isEqualTo(mlp);
            Rows span = oneSpan(rows);
            k.normalize(span, matrix, norm, 1e-5f, input);
            k.experts(span, input, loaded, inner, matrix);
            float[] out = k.read(matrix, rows);
            assertThat(k.readPlain(inner, rows * perRow)).hasSize(rows * perRow * mlp);
            return out;
        }
    }

    /** Some experts with all rows, others with none; all of them; only one for each row. */
    @ParameterizedTest
    @CsvSource({
        "1, 4, 2, 0",
        "5, 4, 2, 0",
        "37, 8, 2, 0",
        "130, 4, 2, 2",
        "70, 4, 2, 1",
        "9, 3, 3, 0",
        "33, 4, 1, 1"
    })
    void expertsOfEachRow(int count, int experts, int perRow, int favourites) {
        for (boolean quantized : new boolean[] {true, false}) {
            Mixed mixed = new Mixed(quantized, count, experts, perRow, favourites);
            float[] expected = mixed.run(reference, 0, count);
            float[] actual = mixed.run(kernels, 0, count);
            Kernels.Routing chosen = kernels.routing();
            assertThat(chosen.starts()).isEqualTo(reference.routing().starts());
            assertThat(chosen.rows()).isEqualTo(reference.routing().rows());
            for (int e = 0; e < favourites; e++) {
                assertThat(chosen.starts()[e + 1] - chosen.starts()[e]).isEqualTo(count);
            }
            if (favourites == perRow) {
                assertThat(chosen.starts()[experts]).isEqualTo(chosen.starts()[perRow]);
            }
            for (int i = 0; i < chosen.weights().length; i++) {
                assertThat((double) chosen.weights()[i])
                        .isCloseTo(
                                reference.routing().weights()[i],
                                org.assertj.core.data.Offset.offset(1e-5 + 8 * plainTolerance()));
            }
            if (quantized) {
                assertMostlyClose(actual, expected);
            } else {
                assertClose(actual, expected, layerTolerance());
            }
            for (int row = 0; row < count; row += 7) {
                assertThat(mixed.run(kernels, row, 1))
                        .isEqualTo(Arrays.copyOfRange(actual, row * 384, (row + 1) * 384));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5, 33})
    void logitsOfTheRowsAskedFor(int asked) {
        LinearWeights.Bf16 head = bf16(130, 384);
        float[] x = normal(40 * 384);
        float[] weight = normal(384);
        int[] rows = new int[asked];
        for (int i = 0; i < asked; i++) {
            rows[i] = (i * 7 + 3) % 40;
        }
        float[][] results = new float[2][];
        Kernels[] both = {reference, kernels};
        for (int i = 0; i < 2; i++) {
            Matrix hidden = both[i].matrix(40, 384);
            both[i].write(hidden, x);
            Matrix logits = both[i].matrix(asked, 130);
            both[i].logits(rows, hidden, weight, 1e-5f, both[i].loadHead(head, false), logits);
            results[i] = both[i].read(logits, asked);
        }
        assertClose(results[1], results[0], 1e-5);
    }
}
