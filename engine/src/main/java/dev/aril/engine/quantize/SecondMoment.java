package dev.aril.engine.quantize;

import dev.aril.engine.kernels.InputSpec;
import dev.aril.engine.kernels.Matrices;
import dev.aril.engine.kernels.Matrices.Buffer;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * What calibration keeps of a projection's input x: the sum of x xᵀ over all rows, and a few of the
 * rows. The sum of the arranged input (channels in order, groups rotated) follows from it exactly,
 * so that one pass serves before any order is known; the noise of quantizing x is measured on the
 * rows that are kept.
 */
final class SecondMoment implements AutoCloseable {
    /** Rows that are kept, at least half as many of a long text. */
    static final int SAMPLES = 512;

    /** Of a channel's energy, added to it: the factor exists, and rare inputs are not trusted. */
    private static final float DAMPING = 0.01f;

    private final Matrices matrices;
    private final Buffer sum;
    private final Buffer staging;
    private final int columns;
    private float[] samples = new float[0];
    private int sampled;
    private long rows;
    private long stride = 1;

    /**
     * @param most rows that are added at once
     */
    SecondMoment(Matrices matrices, int columns, int most) {
        this.matrices = matrices;
        this.columns = columns;
        this.sum = matrices.allocate(columns, columns);
        this.staging = matrices.allocate(most, columns);
    }

    int columns() {
        return columns;
    }

    /**
     * @param plain [count, columns]
     */
    void add(float[] plain, int count) {
        Matrices.Block x = staging.block(0, 0, count, columns);
        matrices.write(x, plain);
        TriangularFactor.addSquare(matrices, sum, 1, x);
        for (int r = 0; r < count; r++, rows++) {
            if (rows % stride == 0) {
                keep(plain, r * columns);
            }
        }
    }

    /** When there are too many, every other one goes, and half as many come. */
    private void keep(float[] plain, int from) {
        if (sampled == SAMPLES) {
            for (int i = 0; i < SAMPLES / 2; i++) {
                System.arraycopy(samples, 2 * i * columns, samples, i * columns, columns);
            }
            sampled = SAMPLES / 2;
            stride *= 2;
        }
        if (samples.length < (sampled + 1) * columns) {
            int room = Math.min(SAMPLES, Math.max(16, 2 * sampled));
            samples = Arrays.copyOf(samples, room * columns);
        }
        System.arraycopy(plain, from, samples, sampled++ * columns, columns);
    }

    /** Rows that {@link #arrangedSamples} has. */
    int sampled() {
        return sampled;
    }

    /** Channels by energy, ascending, so that the strongest become the outlier group. */
    int[] order() {
        float[] energy = new float[columns];
        // the diagonal in blocks: a device takes as long to read one value
        for (int at = 0; at < columns; at += TriangularFactor.BLOCK) {
            int size = Math.min(TriangularFactor.BLOCK, columns - at);
            float[] block = matrices.read(sum.block(at, at, size, size));
            for (int i = 0; i < size; i++) {
                energy[at + i] = block[i * size + i];
            }
        }
        Integer[] order = new Integer[columns];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingDouble(i -> energy[i]));
        return Arrays.stream(order).mapToInt(i -> i).toArray();
    }

    /**
     * The rows that were kept, as a projection reads them but for the rounding.
     *
     * @return [sampled, columns]
     */
    float[] arrangedSamples(InputSpec spec) {
        float[] arranged = new float[sampled * columns];
        IntStream.range(0, sampled)
                .parallel()
                .forEach(r -> {
                    float[] row = new float[columns];
                    spec.arrange(samples, r * columns, columns, row);
                    System.arraycopy(row, 0, arranged, r * columns, columns);
                });
        return arranged;
    }

    /**
     * The mean of x̂ x̂ᵀ for the quantized input x̂, whose rounding is taken as noise that depends
     * on nothing; damped.
     *
     * @param noise [columns] the mean square of each arranged channel's rounding error
     * @return [columns, columns], to be freed by the caller
     */
    Buffer hessian(InputSpec spec, float[] noise) {
        float[] mean = mirrored();
        float[] ordered = new float[mean.length];
        int n = columns;
        float inverse = 1f / Math.max(1, rows);
        IntStream.range(0, n)
                .parallel()
                .forEach(i -> {
                    float[] row = new float[n];
                    int from = (spec.order() == null ? i : spec.order()[i]) * n;
                    spec.arrange(mean, from, n, row);
                    for (int j = 0; j < n; j++) {
                        ordered[i * n + j] = row[j] * inverse;
                    }
                });
        if (spec.rotated()) {
            rotateRows(ordered, spec);
        }
        for (int i = 0; i < n; i++) {
            float own = ordered[i * n + i] * (1 + DAMPING) + noise[i];
            ordered[i * n + i] = own > 0 ? own : 1;
        }
        Buffer hessian = matrices.allocate(n, n);
        matrices.write(hessian.all(), ordered);
        return hessian;
    }

    /** Only the lower triangle has been summed. */
    private float[] mirrored() {
        float[] all = matrices.read(sum.all());
        int n = columns;
        IntStream.range(0, n)
                .parallel()
                .forEach(i -> {
                    for (int j = i + 1; j < n; j++) {
                        all[i * n + j] = all[j * n + i];
                    }
                });
        return all;
    }

    /** Each group of rows by its Hadamard matrix, as the columns have been. */
    private void rotateRows(float[] matrix, InputSpec spec) {
        int n = columns;
        int groups = spec.groups(n);
        InputSpec one = new InputSpec(null, spec.group(), 0, spec.bits(), spec.clip(), true);
        IntStream.range(0, n)
                .parallel()
                .forEach(c -> {
                    float[] column = new float[groups * spec.group()];
                    for (int r = 0; r < column.length; r++) {
                        column[r] = matrix[r * n + c];
                    }
                    float[] turned = new float[column.length];
                    one.arrange(column, 0, column.length, turned);
                    for (int r = 0; r < column.length; r++) {
                        matrix[r * n + c] = turned[r];
                    }
                });
    }

    @Override
    public void close() {
        matrices.free(sum);
        matrices.free(staging);
    }
}
