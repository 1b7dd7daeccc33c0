package dev.aril.engine.measure;

import dev.aril.engine.kernels.InputSpec;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Activation;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.Rows;
import dev.aril.engine.model.Recipe;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.IntConsumer;

/**
 * What the measurements of single operations share. Operands that are read once take turns over
 * more memory than any cache holds, as the layers of a model do.
 *
 * @param sink takes each row as it is measured
 */
record KernelBench(Meter meter, Roofline roofline, TorchBaseline torch, Consumer<Row> sink) {
    private static final double ROTATED_BYTES = 256 << 20;
    private static final int MOST_COPIES = 64;

    /** Microseconds of work in a round, so that the clock's step does not matter. */
    private static final double ROUND = 1500;

    private static final int MOST_CALLS = 200;

    /** No operation here does more, so that slow ones are not called too often. */
    private static final double OPS_PER_MICROSECOND = 2e8;

    private static final int TOKENS = 256;

    Kernels kernels() {
        return meter.kernels();
    }

    /** How many operands of so many bytes take turns. */
    int copies(double bytes) {
        return meter.rotates()
                ? Math.clamp((long) Math.ceil(ROTATED_BYTES / bytes), 1, MOST_COPIES)
                : 1;
    }

    /**
     * @param bytes one call moves
     * @param ops one call does
     * @param copies operands that take turns; each gets as many calls
     */
    double microseconds(double bytes, double ops, int copies, IntConsumer op) {
        return meter.microseconds(calls(bytes, ops, copies), i -> op.accept(i % copies));
    }

    /** As the other, of an operation that copies from the host each time. */
    double queuedMicroseconds(double bytes, double ops, int copies, IntConsumer op) {
        return meter.queuedMicroseconds(calls(bytes, ops, copies), i -> op.accept(i % copies));
    }

    private int calls(double bytes, double ops, int copies) {
        double least = Math.max(roofline.microseconds(bytes, 0), ops / OPS_PER_MICROSECOND);
        int wanted = Math.clamp((long) (ROUND / (least + 2)), 1, MOST_CALLS);
        return (Math.max(wanted, copies) + copies - 1) / copies * copies;
    }

    static InputSpec spec() {
        return new InputSpec(
                null,
                Recipe.W4A4.group(),
                Recipe.W4A4.outliers(),
                Recipe.W4A4.activationBits(),
                Recipe.W4A4.activationClip(),
                Recipe.W4A4.rotated());
    }

    /** Rows of sequences of their own, all at position 0 of block 0. */
    static Rows rows(int count) {
        int[] tokens = new int[count];
        Rows.Span[] spans = new Rows.Span[count];
        for (int i = 0; i < count; i++) {
            tokens[i] = i % TOKENS;
            spans[i] = new Rows.Span(i, 1, new int[] {0});
        }
        return new Rows(tokens, new int[count], spans, new Rows.Segment[0]);
    }

    /** Hidden rows at random. */
    Matrix hidden(int rows, int columns) {
        Matrix hidden = kernels().matrix(rows, columns);
        kernels()
                .embed(
                        rows(rows),
                        kernels()
                                .loadTable(
                                        RandomWeights.bf16(
                                                TOKENS * columns, new SplittableRandom(3)),
                                        TOKENS,
                                        columns),
                        hidden);
        return hidden;
    }

    static float[] ones(int count) {
        float[] ones = new float[count];
        Arrays.fill(ones, 1f);
        return ones;
    }

    /** A quantized layer's input of random rows. */
    Activation input(int rows, int columns) {
        Activation in = kernels().activation(rows, columns, spec());
        kernels().normalize(rows(rows), hidden(rows, columns), ones(columns), 1e-5f, in);
        return in;
    }

    /** Bytes of a row of codes, with its scales. */
    static double codeBytes(int columns) {
        return columns + 4.0 * columns / Recipe.W4A4.group();
    }

    /** Bytes of INT4 weights, with their scales. */
    static double weightBytes(int out, int in) {
        int regular = in - Recipe.W4A4.outliers();
        return out
                * (regular / 2.0
                        + 2.0 * regular / Recipe.W4A4.group()
                        + Recipe.W4A4.outliers()
                        + 4);
    }
}
