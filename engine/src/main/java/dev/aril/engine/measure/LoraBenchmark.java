package dev.aril.engine.measure;

import static dev.aril.engine.measure.KernelBench.rows;

import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Activation;
import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.kernels.Kernels.Linear;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.LowRank;
import dev.aril.engine.kernels.Rows;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * What adapters add to one square projection: its time with them less its time without.
 *
 * @param width inputs and outputs
 */
record LoraBenchmark(KernelBench bench, int width) {
    private static final int VALUE_BYTES = 2;

    void run(int[] batches, int[] ranks) {
        Kernels kernels = bench.kernels();
        double weights = KernelBench.weightBytes(width, width);
        int copies = bench.copies(weights);
        Linear[] linears = new Linear[copies];
        for (int i = 0; i < copies; i++) {
            linears[i] = kernels.load(RandomWeights.int4(width, width, new SplittableRandom(1)));
        }
        int most = 0;
        for (int b : batches) {
            most = Math.max(most, b);
        }
        Activation in = bench.input(most, width);
        Matrix hidden = bench.hidden(most, width);
        for (int b : batches) {
            Rows base = rows(b);
            double without =
                    bench.microseconds(
                            weights,
                            0,
                            copies,
                            i -> kernels.projectAdd(base, in, linears[i], 0, LowRank.O, hidden));
            for (int rank : ranks) {
                for (Popularity popularity : Popularity.values()) {
                    if (popularity != Popularity.NONE
                            && (b > 1 || popularity == Popularity.DISTINCT)) {
                        sinkOne(b, rank, popularity, without, linears, in, hidden);
                    }
                }
            }
        }
    }

    private void sinkOne(
            int b,
            int rank,
            Popularity popularity,
            double without,
            Linear[] linears,
            Activation in,
            Matrix hidden) {
        Kernels kernels = bench.kernels();
        int[] counts = popularity.counts(b);
        double bytes = (double) counts.length * rank * 2 * width * VALUE_BYTES;
        int layers = bench.copies(bytes);
        List<Adapter> adapters = adapters(counts.length, layers, rank);
        Rows rows = with(rows(b), counts, adapters);
        // as many calls as bring every pair of operands together evenly would be too many
        int turns = Math.max(layers, linears.length);
        double together =
                bench.microseconds(
                        bytes,
                        0,
                        turns,
                        i ->
                                kernels.projectAdd(
                                        rows,
                                        in,
                                        linears[i % linears.length],
                                        i % layers,
                                        LowRank.O,
                                        hidden));
        adapters.forEach(kernels::unload);
        double ops = 4.0 * b * rank * width;
        Row row =
                Row.of("lora")
                        .with("n", width)
                        .with("b", b)
                        .with("rank", rank)
                        .with("popularity", popularity.label())
                        .with("adapters", counts.length)
                        .with("with_us", together)
                        .with("without_us", without);
        Map<String, ?> same = Map.of("b", b, "adapters", counts.length, "r", rank);
        double added = Math.max(0.01, together - without);
        row =
                bench.roofline()
                        .judge(row, added, bytes, 0)
                        .with("tera_ops_per_s", ops / added / 1e6);
        bench.sink().accept(bench.torch().beside(row, "lora", same));
    }

    /** Adapters of this projection alone, in as many layers as take turns. */
    private List<Adapter> adapters(int count, int layers, int rank) {
        @Nullable LowRank[][] pairs = new LowRank[layers][LowRank.COUNT];
        LowRank pair = RandomWeights.lowRank(rank, width, width, new SplittableRandom(9));
        for (@Nullable LowRank[] layer : pairs) {
            layer[LowRank.O] = pair;
        }
        List<Adapter> adapters = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            adapters.add(bench.kernels().load(pairs));
        }
        return adapters;
    }

    /** The same rows with adapters on consecutive ones. */
    static Rows with(Rows rows, int[] counts, List<Adapter> adapters) {
        Rows.Segment[] segments = new Rows.Segment[counts.length];
        int first = 0;
        for (int a = 0; a < counts.length; a++) {
            segments[a] = new Rows.Segment(first, counts[a], adapters.get(a));
            first += counts[a];
        }
        return new Rows(rows.tokens(), rows.positions(), rows.spans(), segments);
    }
}
