package dev.aril.engine.measure;

import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Activation;
import dev.aril.engine.kernels.Kernels.KvCache;
import dev.aril.engine.kernels.Kernels.Linear;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.KvFormat;
import dev.aril.engine.kernels.KvShape;
import dev.aril.engine.kernels.Rope;
import dev.aril.engine.kernels.Rows;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;

/**
 * Attention over INT4 pages that lie in an order of chance, as after long service: decode, one
 * query row a sequence, and prefill, one sequence's rows together.
 *
 * @param heads query heads
 * @param width channels of a head
 */
record AttentionBenchmark(KernelBench bench, int heads, int width) {
    /** Inputs of the projections that fill the cache; they need not be wide. */
    private static final int IN = 256;

    private static final int FILLED_ROWS = 2048;

    /** A cache full of random keys and values, once for each of the operands that take turns. */
    private record Filled(KvCache cache, int copies, int[][] tables) {}

    /** One new token of each sequence, over all positions before it. */
    void decode(int sequences, int length, int kvHeads) {
        KvShape one = shape(1, sequences, length, kvHeads);
        double cacheBytes = (double) one.blockBytes() * one.blocks();
        int copies = bench.copies(cacheBytes);
        Filled filled = fill(shape(copies, sequences, length, kvHeads), sequences, length);
        int[] positions = new int[sequences];
        Rows.Span[] spans = new Rows.Span[sequences];
        for (int s = 0; s < sequences; s++) {
            positions[s] = length - 1;
            spans[s] = new Rows.Span(s, 1, filled.tables[s]);
        }
        Rows rows = new Rows(new int[sequences], positions, spans, new Rows.Segment[0]);
        double bytes = cacheBytes + sequences * (heads * width * 4.0 + out());
        // scores and mixing, each a multiplication and an addition
        double ops = 4.0 * sequences * length * heads * width;
        double us = time(filled, rows, bytes, ops);
        Row row =
                Row.of("attention")
                        .with("kv_heads", kvHeads)
                        .with("b", sequences)
                        .with("s", length);
        Map<String, ?> same = Map.of("b", sequences, "s", length, "kv", kvHeads);
        bench.sink().accept(bench.torch().beside(judge(row, us, bytes, ops), "attention", same));
    }

    /** A prompt's rows, each over itself and those before it. */
    void prefill(int length, int kvHeads) {
        Filled filled = fill(shape(1, 1, length, kvHeads), 1, length);
        Rows rows = chunk(filled.tables[0], 0, length);
        double bytes = length * (heads * width * 4.0 + out() + 2.0 * kvHeads * (width / 2 + 4));
        double ops = 2.0 * length * (length + 1) * heads * width;
        double us = time(filled, rows, bytes, ops);
        Row row = Row.of("attention-prefill").with("kv_heads", kvHeads).with("s", length);
        Map<String, ?> same = Map.of("s", length, "kv", kvHeads);
        bench.sink()
                .accept(
                        bench.torch()
                                .beside(judge(row, us, bytes, ops), "attention-prefill", same));
    }

    /** Its products are not of INT8 numbers, so only the bytes bound it here. */
    private Row judge(Row row, double us, double bytes, double ops) {
        return bench.roofline().judge(row, us, bytes, 0).with("tera_ops_per_s", ops / us / 1e6);
    }

    /** Bytes of a result's row: codes, and the numbers that adapters read. */
    private double out() {
        return KernelBench.codeBytes(heads * width) + 2.0 * heads * width;
    }

    private double time(Filled filled, Rows rows, double bytes, double ops) {
        Kernels kernels = bench.kernels();
        Matrix queries = bench.hidden(rows.count(), heads * width);
        Activation out = kernels.activation(rows.count(), heads * width, KernelBench.spec());
        return bench.microseconds(
                bytes,
                ops,
                filled.copies,
                i -> kernels.attend(rows, queries, filled.cache, i, Kernels.NO_WINDOW, out));
    }

    private KvShape shape(int layers, int sequences, int length, int kvHeads) {
        int blocks = (length + Kernels.BLOCK_TOKENS - 1) / Kernels.BLOCK_TOKENS;
        return new KvShape(layers, sequences * blocks, kvHeads, width, KvFormat.INT4_ROTATED);
    }

    private Filled fill(KvShape shape, int sequences, int length) {
        Kernels kernels = bench.kernels();
        KvCache cache = kernels.allocate(shape);
        int[][] tables = tables(sequences, shape.blocks() / sequences);
        int kvWidth = shape.heads() * width;
        SplittableRandom random = new SplittableRandom(6);
        Linear q = kernels.load(RandomWeights.int4(heads * width, IN, random));
        Linear k = kernels.load(RandomWeights.int4(kvWidth, IN, random));
        Linear v = kernels.load(RandomWeights.int4(kvWidth, IN, random));
        int most = Math.min(FILLED_ROWS, length);
        Activation in = bench.input(most, IN);
        Matrix queries = kernels.matrix(most, heads * width);
        Rope rope = Rope.of(length, width, 10_000);
        for (int[] table : tables) {
            for (int first = 0; first < length; first += most) {
                Rows rows = chunk(table, first, Math.min(most, length - first));
                for (int layer = 0; layer < shape.layers(); layer++) {
                    kernels.projectQkv(rows, in, q, k, v, layer, null, rope, cache, queries);
                }
            }
        }
        return new Filled(cache, shape.layers(), tables);
    }

    /** A sequence's rows at positions first .. first + count - 1. */
    private static Rows chunk(int[] table, int first, int count) {
        int[] positions = new int[count];
        for (int i = 0; i < count; i++) {
            positions[i] = first + i;
        }
        Rows.Span[] span = {new Rows.Span(0, count, table)};
        return new Rows(new int[count], positions, span, new Rows.Segment[0]);
    }

    private static int[][] tables(int sequences, int blocksEach) {
        List<Integer> blocks = new ArrayList<>();
        for (int b = 0; b < sequences * blocksEach; b++) {
            blocks.add(b);
        }
        Collections.shuffle(blocks, new Random(8));
        int[][] tables = new int[sequences][blocksEach];
        for (int b = 0; b < blocks.size(); b++) {
            tables[b / blocksEach][b % blocksEach] = blocks.get(b);
        }
        return tables;
    }
}
