package dev.aril.engine.measure;

import static dev.aril.engine.measure.KernelBench.codeBytes;
import static dev.aril.engine.measure.KernelBench.ones;
import static dev.aril.engine.measure.KernelBench.rows;
import static dev.aril.engine.measure.KernelBench.weightBytes;

import dev.aril.engine.kernels.Draw;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Activation;
import dev.aril.engine.kernels.Kernels.Linear;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.kernels.LowRank;
import dev.aril.engine.kernels.Rows;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Projection;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * The operations that read base weights or rows alone: INT4 matrix products, gate and up with SiLU,
 * norms, the output head, and the choice of the next ids.
 *
 * @param gemmRows rows of the matrix products
 * @param opRows rows of the fused operations
 * @param headRows rows of the output head
 */
record GemmBenchmark(KernelBench bench, int[] gemmRows, int[] opRows, int[] headRows) {
    /** A matrix product's outputs and inputs. */
    private record Product(int out, int in) {}

    void run(List<ModelConfig> shapes) {
        Set<Product> products = new LinkedHashSet<>();
        for (ModelConfig shape : shapes) {
            for (Projection p : List.of(Projection.O, Projection.GATE, Projection.DOWN)) {
                products.add(new Product(p.out(shape), p.in(shape)));
            }
        }
        products.forEach(this::product);
        shapes.stream()
                .map(shape -> new Product(shape.intermediate(), shape.hidden()))
                .distinct()
                .forEach(this::gateUp);
        shapes.stream().map(ModelConfig::hidden).distinct().forEach(this::norm);
        shapes.stream()
                .map(shape -> new Product(shape.vocabulary(), shape.hidden()))
                .distinct()
                .forEach(this::head);
    }

    private Linear[] load(LinearWeights weights, int copies) {
        Linear[] loaded = new Linear[copies];
        for (int i = 0; i < copies; i++) {
            loaded[i] = bench.kernels().load(weights);
        }
        return loaded;
    }

    private static int largest(int[] rows) {
        int largest = 0;
        for (int count : rows) {
            largest = Math.max(largest, count);
        }
        return largest;
    }

    private void product(Product p) {
        Kernels kernels = bench.kernels();
        double weights = weightBytes(p.out, p.in);
        int copies = bench.copies(weights);
        Linear[] linears = load(RandomWeights.int4(p.out, p.in, new SplittableRandom(1)), copies);
        Activation in = bench.input(largest(gemmRows), p.in);
        Matrix hidden = bench.hidden(largest(gemmRows), p.out);
        for (int count : gemmRows) {
            Rows rows = rows(count);
            // the result is added to what is there: read and written
            double bytes = weights + count * (codeBytes(p.in) + 8.0 * p.out);
            double ops = 2.0 * count * p.out * p.in;
            double us =
                    bench.microseconds(
                            bytes,
                            ops,
                            copies,
                            i -> kernels.projectAdd(rows, in, linears[i], 0, LowRank.O, hidden));
            Row row = Row.of("gemm").with("n", p.out).with("k", p.in).with("m", count);
            Map<String, ?> same = Map.of("n", p.out, "k", p.in, "m", count, "dtype", "bf16");
            Map<String, ?> fp8 = Map.of("n", p.out, "k", p.in, "m", count, "dtype", "fp8");
            row = bench.torch().beside(bench.roofline().judge(row, us, bytes, ops), "gemm", same);
            Double eight = bench.torch().microseconds("gemm", fp8);
            bench.sink().accept(eight == null ? row : row.with("torch_fp8_us", eight));
        }
    }

    private void gateUp(Product p) {
        Kernels kernels = bench.kernels();
        double weights = 2 * weightBytes(p.out, p.in);
        int copies = bench.copies(weights);
        LinearWeights random = RandomWeights.int4(p.out, p.in, new SplittableRandom(2));
        Linear[] gates = load(random, copies);
        Linear[] ups = load(random, copies);
        Activation in = bench.input(largest(opRows), p.in);
        Activation out = kernels.activation(largest(opRows), p.out, KernelBench.spec());
        for (int count : opRows) {
            Rows rows = rows(count);
            double bytes = weights + count * (codeBytes(p.in) + codeBytes(p.out));
            double ops = 4.0 * count * p.out * p.in;
            double us =
                    bench.microseconds(
                            bytes,
                            ops,
                            copies,
                            i -> kernels.gateUp(rows, in, gates[i], ups[i], 0, out));
            Row row = Row.of("gate-up").with("n", p.out).with("k", p.in).with("m", count);
            bench.sink().accept(bench.roofline().judge(row, us, bytes, ops));
        }
    }

    private void norm(int columns) {
        Kernels kernels = bench.kernels();
        Matrix hidden = bench.hidden(largest(opRows), columns);
        Activation out = kernels.activation(largest(opRows), columns, KernelBench.spec());
        float[] weight = ones(columns);
        for (int count : opRows) {
            Rows rows = rows(count);
            double bytes = count * (4.0 * columns + codeBytes(columns));
            double us =
                    bench.microseconds(
                            bytes, 0, 1, i -> kernels.normalize(rows, hidden, weight, 1e-5f, out));
            Row row = Row.of("norm").with("n", columns).with("m", count);
            bench.sink().accept(bench.roofline().judge(row, us, bytes, 0));
        }
    }

    /** As a quantized model has it: in INT8 where the device can. */
    private void head(Product p) {
        Kernels kernels = bench.kernels();
        short[] bits = RandomWeights.bf16(Math.multiplyExact(p.out, p.in), new SplittableRandom(4));
        LinearWeights.Bf16 random = new LinearWeights.Bf16(p.out, p.in, bits);
        long before = bench.meter().usedBytes();
        Linear first = kernels.loadHead(random, true);
        long taken = bench.meter().usedBytes() - before;
        double weights = taken > 0 ? taken : 2.0 * bits.length;
        Linear[] heads = new Linear[bench.copies(weights)];
        heads[0] = first;
        for (int i = 1; i < heads.length; i++) {
            heads[i] = kernels.loadHead(random, true);
        }
        Matrix hidden = bench.hidden(largest(headRows), p.in);
        Matrix logits = kernels.matrix(largest(headRows), p.out);
        float[] weight = ones(p.in);
        for (int count : headRows) {
            int[] picked = new int[count];
            Arrays.setAll(picked, i -> i);
            double bytes = weights + 4.0 * count * (p.in + p.out);
            double ops = 2.0 * count * p.out * p.in;
            double us =
                    bench.queuedMicroseconds(
                            bytes,
                            0,
                            heads.length,
                            i -> kernels.logits(picked, hidden, weight, 1e-5f, heads[i], logits));
            Row row = Row.of("head").with("n", p.out).with("k", p.in).with("m", count);
            row = bench.roofline().judge(row, us, bytes, ops);
            bench.sink()
                    .accept(
                            bench.torch()
                                    .beside(
                                            row,
                                            "head",
                                            Map.of("n", p.out, "k", p.in, "m", count)));
            sample(logits, count, "greedy", 0, 1);
            sample(logits, count, "temperature 0.8, top-p 0.95", 0.8, 0.95);
        }
    }

    private void sample(Matrix logits, int count, String draw, double temperature, double topP) {
        List<Draw> draws = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            draws.add(new Draw(temperature, topP, 0, 0, i, 0, 1, 0, 0, new int[0], new int[0]));
        }
        double bytes = 4.0 * count * logits.columns();
        double us =
                bench.queuedMicroseconds(bytes, 0, 1, i -> bench.kernels().sample(logits, draws));
        Row row = Row.of("sample").with("n", logits.columns()).with("draw", draw).with("m", count);
        bench.sink().accept(bench.roofline().judge(row, us, bytes, 0));
    }
}
