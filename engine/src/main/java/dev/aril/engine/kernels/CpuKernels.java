package dev.aril.engine.kernels;

import dev.aril.engine.kernels.CpuAdapter.CpuPair;
import dev.aril.engine.kernels.HostMemory.HostActivation;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.ToIntFunction;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/** The Vector API on all cores. */
public final class CpuKernels extends HostKernels {
    private static final int W = Lanes.WIDTH;
    private static final int COLUMNS = BlockedLinear.COLUMNS;

    /** What one thread needs for itself. */
    private static final class Scratch {
        float[] tile = new float[BlockedLinear.ROWS * COLUMNS];
        float[] second = new float[BlockedLinear.ROWS * COLUMNS];
        float[] ordered = new float[0];
        @Nullable CpuAttention attention;
        @Nullable CpuKvCache attentionCache;

        float[] ordered(int columns) {
            if (ordered.length < columns) {
                ordered = new float[columns];
            }
            return ordered;
        }

        CpuAttention attention(CpuKvCache cache, int heads) {
            if (attention == null || attentionCache != cache) {
                attention = new CpuAttention(cache, heads);
                attentionCache = cache;
            }
            return attention;
        }
    }

    /**
     * Multiply-adds below which an operation stays on the calling thread: about 100 µs of them,
     * where handing them to another core costs more than it saves.
     */
    private static final long WORTH_SHARING = 2_000_000;

    /** A channel's share in a norm, a rotation or a quantization, as multiply-adds. */
    private static final int CHANNEL = 16;

    private final Workers workers;
    private final ThreadLocal<Scratch> scratch = ThreadLocal.withInitial(Scratch::new);
    // key and value rows between projection and cache; grown, never shrunk
    private float[] keys = new float[0];
    private float[] values = new float[0];
    private final List<float[]> shrunk = new ArrayList<>();
    // what experts read and write, a row for each expert that a row chose
    private @Nullable HostActivation gathered;
    private float[] outputs = new float[0];

    /**
     * @param threads 0 takes all cores
     */
    public CpuKernels(int threads) {
        workers = new Workers(threads > 0 ? threads : Runtime.getRuntime().availableProcessors());
    }

    /** Runs an operation's iterations, on all cores if there is enough to do. */
    private void run(long multiplyAdds, int tasks, IntConsumer body) {
        if (multiplyAdds < WORTH_SHARING) {
            for (int i = 0; i < tasks; i++) {
                body.accept(i);
            }
        } else {
            workers.run(tasks, body);
        }
    }

    @Override
    public String device() {
        return "CPU, "
                + workers.size()
                + (workers.size() == 1 ? " thread, " : " threads, ")
                + Lanes.SHAPE.vectorBitSize()
                + "-bit vectors";
    }

    @Override
    public Linear load(LinearWeights weights, float @Nullable [] bias) {
        BlockedLinear blocked = blocked(weights);
        return bias == null ? blocked : BlockedBiased.of(blocked, bias);
    }

    private static BlockedLinear blocked(LinearWeights weights) {
        return switch (weights) {
            case LinearWeights.Int4 w -> BlockedInt4.of(w);
            case LinearWeights.Bf16 w -> BlockedBf16.of(w);
        };
    }

    private record CpuExperts(BlockedLinear router, List<Expert<BlockedLinear>> all, int perRow)
            implements Experts {}

    @Override
    public Experts loadExperts(LinearWeights.Bf16 router, List<ExpertWeights> experts, int perRow) {
        return new CpuExperts(
                blocked(router),
                experts.stream()
                        .map(e ->
                                new Expert<>(blocked(e.gate()), blocked(e.up()), blocked(e.down())))
                        .toList(),
                perRow);
    }

    @Override
    public Adapter load(@Nullable LowRank[][] adapter) {
        return CpuAdapter.of(adapter);
    }

    @Override
    public KvCache allocate(KvShape shape) {
        return CpuKvCache.of(shape);
    }

    @Override
    public void normalize(Rows rows, Matrix hidden, float[] weight, float epsilon, Activation out) {
        HostActivation x = HostMemory.host(out);
        float[] h = HostMemory.values(hidden);
        run(
                (long) rows.count() * x.columns() * CHANNEL,
                rows.count(),
                r -> {
                    norm(h, r * x.columns(), weight, epsilon, x.plain(), r * x.columns());
                    quantize(x, r);
                });
    }

    private static void norm(
            float[] h, int from, float[] weight, float epsilon, float[] out, int to) {
        FloatVector squares = FloatVector.zero(Lanes.F);
        for (int c = 0; c < weight.length; c += W) {
            FloatVector v = Lanes.load(h, from + c);
            squares = v.fma(v, squares);
        }
        float scale = (float) (1 / Math.sqrt(Lanes.sum(squares) / weight.length + epsilon));
        for (int c = 0; c < weight.length; c += W) {
            Lanes.load(h, from + c).mul(scale).mul(Lanes.load(weight, c)).intoArray(out, to + c);
        }
    }

    /** Row r's codes from its plain floats, as {@link InputSpec} defines them. */
    private void quantize(HostActivation x, int r) {
        InputSpec spec = x.spec();
        if (spec == null) {
            return;
        }
        int columns = x.columns();
        int row = r * columns;
        float[] ordered = scratch.get().ordered(columns);
        if (spec.order() == null) {
            System.arraycopy(x.plain(), row, ordered, 0, columns);
        } else {
            int[] order = spec.order();
            for (int j = 0; j < columns; j++) {
                ordered[j] = x.plain()[row + order[j]];
            }
        }
        int groups = spec.groups(columns);
        for (int g = 0; g < groups; g++) {
            int from = g * spec.group();
            if (spec.rotated()) {
                Lanes.hadamard(ordered, from, spec.group());
            }
            float max = Lanes.maxMagnitude(ordered, from, from + spec.group(), InputSpec.TINY);
            float scale = max * spec.clip() / spec.top();
            x.scales()[r * (groups + 1) + g] = scale;
            int to = r * groups * spec.group() + from;
            codes(ordered, from, spec, 1 / scale, x.codes(), to);
        }
        int from = columns - spec.outliers();
        float scale = Lanes.maxMagnitude(ordered, from, columns, InputSpec.TINY) / 127f;
        x.scales()[r * (groups + 1) + groups] = scale;
        for (int j = 0; j < spec.outliers(); j += W) {
            round(ordered, from + j, 1 / scale, -127, 127)
                    .intoArray(x.outliers(), r * spec.outliers() + j);
        }
    }

    private static FloatVector round(float[] x, int at, float inverse, float low, float high) {
        return Lanes.load(x, at)
                .mul(inverse)
                .add(InputSpec.ROUND)
                .sub(InputSpec.ROUND)
                .max(low)
                .min(high);
    }

    private static void codes(
            float[] x, int from, InputSpec spec, float inverse, short[] codes, int to) {
        int length = spec.group();
        float[] rounded = x; // in place: the ordered floats are not needed any more
        for (int i = from; i < from + length; i += W) {
            round(x, i, inverse, spec.bottom(), spec.top()).intoArray(rounded, i);
        }
        for (int i = 0; i < length; i++) {
            codes[to + i] = (short) rounded[from + i];
        }
    }

    /** What a tile of outputs becomes once base and adapters are summed. */
    private interface Epilogue {
        /**
         * @param columns valid ones of the tile, from the row's firstColumn on
         */
        void row(float[] tile, int at, int row, int firstColumn, int columns);
    }

    /**
     * The adapters' shrunk inputs: [count, padded rank] of each segment's own adapter, zero where a
     * row has none. Null where no row of the step has this projection adapted.
     */
    private record Shrunk(float[] values, int stride, @Nullable CpuPair[] pairs) {}

    private @Nullable Shrunk shrink(
            Rows rows, HostActivation x, int layer, int projection, int buffer) {
        int stride = 0;
        for (Rows.Segment segment : rows.segments()) {
            CpuPair pair = ((CpuAdapter) segment.adapter()).layers()[layer][projection];
            stride = pair == null ? stride : Math.max(stride, pair.padded());
        }
        if (stride == 0) {
            return null;
        }
        @Nullable CpuPair[] pairs = new CpuPair[rows.count()];
        for (Rows.Segment segment : rows.segments()) {
            CpuPair pair = ((CpuAdapter) segment.adapter()).layers()[layer][projection];
            for (int r = segment.firstRow(); r < segment.firstRow() + segment.count(); r++) {
                pairs[r] = pair;
            }
        }
        while (shrunk.size() <= buffer) {
            shrunk.add(new float[0]);
        }
        if (shrunk.get(buffer).length < rows.count() * stride) {
            shrunk.set(buffer, new float[rows.count() * stride]);
        }
        return new Shrunk(shrunk.get(buffer), stride, pairs);
    }

    /** The shrink of several projections that read the same input, spread over the rows. */
    private void runShrink(Rows rows, HostActivation x, @Nullable Shrunk... all) {
        long ranks = 0;
        for (Shrunk s : all) {
            ranks += s == null ? 0 : s.stride();
        }
        if (ranks == 0) {
            return;
        }
        run(
                ranks * rows.count() * x.columns(),
                rows.count(),
                r -> {
                    for (Shrunk s : all) {
                        CpuPair pair = s == null ? null : s.pairs()[r];
                        if (s != null && pair != null) {
                            pair.shrink(x.plain(), r * x.columns(), s.values(), r * s.stride());
                        }
                    }
                });
    }

    /** Base and adapters for a tile of rows and one block. */
    private static void tile(
            BlockedLinear w,
            HostActivation x,
            int firstRow,
            int rows,
            int block,
            @Nullable Shrunk lora,
            float[] tile) {
        w.tile(x, firstRow, rows, block, tile);
        if (lora != null) {
            for (int r = 0; r < rows; r++) {
                CpuPair pair = lora.pairs()[firstRow + r];
                if (pair != null) {
                    pair.expand(
                            lora.values(),
                            (firstRow + r) * lora.stride(),
                            block,
                            tile,
                            r * COLUMNS);
                }
            }
        }
    }

    /** One projection into an epilogue; task i of those {@link #tasks} counts. */
    private void project(
            BlockedLinear w,
            HostActivation x,
            int count,
            @Nullable Shrunk lora,
            int task,
            Epilogue epilogue) {
        int block = task % w.blocks();
        int from = task / w.blocks() * BlockedLinear.ROWS;
        int rows = Math.min(BlockedLinear.ROWS, count - from);
        float[] tile = scratch.get().tile;
        int columns = Math.min(COLUMNS, w.out() - block * COLUMNS);
        tile(w, x, from, rows, block, lora, tile);
        for (int i = 0; i < rows; i++) {
            epilogue.row(tile, i * COLUMNS, from + i, block * COLUMNS, columns);
        }
    }

    private static int tasks(BlockedLinear w, int count) {
        return w.blocks() * ((count + BlockedLinear.ROWS - 1) / BlockedLinear.ROWS);
    }

    @Override
    public void projectQkv(
            Rows rows,
            Activation in,
            Linear q,
            Linear k,
            Linear v,
            int layer,
            @Nullable HeadNorms norms,
            Rope rope,
            KvCache cache,
            Matrix queries) {
        HostActivation x = HostMemory.host(in);
        CpuKvCache kv = (CpuKvCache) cache;
        int count = rows.count();
        if (keys.length < count * k.out()) {
            keys = new float[count * k.out()];
            values = new float[count * v.out()];
        }
        float[] query = HostMemory.values(queries);
        BlockedLinear[] w = {(BlockedLinear) q, (BlockedLinear) k, (BlockedLinear) v};
        float[][] to = {query, keys, values};
        @Nullable Shrunk[] lora = {
            shrink(rows, x, layer, LowRank.Q, 0),
            shrink(rows, x, layer, LowRank.K, 1),
            shrink(rows, x, layer, LowRank.V, 2)
        };
        runShrink(rows, x, lora);
        int first = tasks(w[0], count);
        int second = first + tasks(w[1], count);
        long outputs = (long) q.out() + k.out() + v.out();
        run(
                count * outputs * q.in(),
                second + tasks(w[2], count),
                task -> {
                    int i = task < first ? 0 : task < second ? 1 : 2;
                    int own = task - (i == 0 ? 0 : i == 1 ? first : second);
                    project(w[i], x, count, lora[i], own, copyTo(to[i], w[i].out()));
                });
        int headDim = kv.shape.headDim();
        kv.turnsWith(rope);
        run(
                count * outputs * CHANNEL,
                rows.spans().length,
                s -> {
                    Rows.Span span = rows.spans()[s];
                    for (int r = span.firstRow(); r < span.firstRow() + span.count(); r++) {
                        int position = rows.positions()[r];
                        for (int h = 0; h < q.out(); h += headDim) {
                            int at = r * q.out() + h;
                            if (norms != null) {
                                norm(query, at, norms.query(), norms.epsilon(), query, at);
                            }
                            turn(kv, rope, query, at, position);
                        }
                        for (int h = 0; h < kv.shape.heads(); h++) {
                            int from = r * k.out() + h * headDim;
                            if (norms != null) {
                                norm(keys, from, norms.key(), norms.epsilon(), keys, from);
                            }
                            if (kv.shape.format() != KvFormat.INT4_BEFORE_ROPE) {
                                turn(kv, rope, keys, from, position);
                            }
                            kv.store(
                                    layer,
                                    span.blocks()[position / BLOCK_TOKENS],
                                    h,
                                    position % BLOCK_TOKENS,
                                    keys,
                                    from,
                                    values,
                                    from);
                        }
                    }
                });
    }

    private static void turn(CpuKvCache kv, Rope rope, float[] x, int at, int position) {
        rope.turn(x, at, position);
        if (kv.shape.rotated()) {
            Lanes.hadamard(x, at, rope.headDim());
        }
    }

    private static Epilogue copyTo(float[] out, int width) {
        return (tile, at, row, column, columns) ->
                System.arraycopy(tile, at, out, row * width + column, columns);
    }

    @Override
    public void attend(
            Rows rows, Matrix queries, KvCache cache, int layer, int window, Activation out) {
        CpuKvCache kv = (CpuKvCache) cache;
        HostActivation x = HostMemory.host(out);
        int heads = x.columns() / kv.shape.headDim();
        // a span's rows in pieces that share widened blocks
        List<int[]> pieces = new ArrayList<>();
        for (int s = 0; s < rows.spans().length; s++) {
            Rows.Span span = rows.spans()[s];
            for (int r = 0; r < span.count(); r += CpuAttention.ROWS) {
                int n = Math.min(CpuAttention.ROWS, span.count() - r);
                pieces.add(new int[] {s, span.firstRow() + r, n});
            }
        }
        int kvHeads = kv.shape.heads();
        long positions = 0;
        for (int position : rows.positions()) {
            positions += Math.min(position + 1, window);
        }
        run(
                2 * positions * x.columns(),
                pieces.size() * kvHeads,
                task -> {
                    int[] piece = pieces.get(task / kvHeads);
                    scratch.get()
                            .attention(kv, heads)
                            .run(
                                    layer,
                                    task % kvHeads,
                                    rows.spans()[piece[0]].blocks(),
                                    piece[1],
                                    piece[2],
                                    rows.positions(),
                                    window,
                                    HostMemory.values(queries),
                                    x.plain());
                });
        if (x.spec() != null) {
            run((long) rows.count() * x.columns() * CHANNEL, rows.count(), r -> quantize(x, r));
        }
    }

    @Override
    public void projectAdd(
            Rows rows, Activation in, Linear w, int layer, int projection, Matrix hidden) {
        HostActivation x = HostMemory.host(in);
        BlockedLinear blocked = (BlockedLinear) w;
        Shrunk lora = shrink(rows, x, layer, projection, 0);
        runShrink(rows, x, lora);
        float[] h = HostMemory.values(hidden);
        int width = w.out();
        Epilogue add =
                (tile, at, row, column, columns) -> {
                    int to = row * width + column;
                    for (int c = 0; c < columns; c++) {
                        h[to + c] += tile[at + c];
                    }
                };
        run(
                (long) rows.count() * w.in() * w.out(),
                tasks(blocked, rows.count()),
                task -> project(blocked, x, rows.count(), lora, task, add));
    }

    @Override
    public void gateUp(
            Rows rows, Activation in, Linear gate, Linear up, int layer, Activation out) {
        HostActivation x = HostMemory.host(in);
        HostActivation y = HostMemory.host(out);
        BlockedLinear g = (BlockedLinear) gate;
        BlockedLinear u = (BlockedLinear) up;
        Shrunk gateLora = shrink(rows, x, layer, LowRank.GATE, 0);
        Shrunk upLora = shrink(rows, x, layer, LowRank.UP, 1);
        runShrink(rows, x, gateLora, upLora);
        int count = rows.count();
        run(
                2L * count * gate.in() * gate.out(),
                tasks(g, count),
                task -> {
                    int from = task / g.blocks() * BlockedLinear.ROWS;
                    int n = Math.min(BlockedLinear.ROWS, count - from);
                    gate(g, u, x, from, n, task % g.blocks(), gateLora, upLora, y);
                });
        if (y.spec() != null) {
            run((long) count * y.columns() * CHANNEL, count, r -> quantize(y, r));
        }
    }

    /** One block's gated outputs for a tile of rows, whose indexes are the same in x and y. */
    private void gate(
            BlockedLinear g,
            BlockedLinear u,
            HostActivation x,
            int from,
            int rows,
            int block,
            @Nullable Shrunk gateLora,
            @Nullable Shrunk upLora,
            HostActivation y) {
        Scratch own = scratch.get();
        int columns = Math.min(COLUMNS, g.out() - block * COLUMNS);
        tile(g, x, from, rows, block, gateLora, own.tile);
        tile(u, x, from, rows, block, upLora, own.second);
        for (int i = 0; i < rows; i++) {
            int at = (from + i) * y.columns() + block * COLUMNS;
            siluMul(own.tile, own.second, i * COLUMNS, y.plain(), at, columns);
        }
    }

    private static void siluMul(float[] g, float[] u, int from, float[] out, int to, int columns) {
        for (int c = 0; c < columns; c += W) {
            Lanes.silu(Lanes.load(g, from + c)).mul(Lanes.load(u, from + c)).intoArray(out, to + c);
        }
    }

    /** Rows of one expert, and one block of its outputs. */
    private record ExpertTile(int expert, int firstPair, int pairs, int block) {}

    /** All blocks of all experts that have rows. */
    private static List<ExpertTile> tiles(
            Routing chosen,
            ToIntFunction<Expert<BlockedLinear>> blocks,
            List<Expert<BlockedLinear>> all) {
        List<ExpertTile> tiles = new ArrayList<>();
        for (int e = 0; e < all.size(); e++) {
            int end = chosen.starts()[e + 1];
            for (int from = chosen.starts()[e]; from < end; from += BlockedLinear.ROWS) {
                int pairs = Math.min(BlockedLinear.ROWS, end - from);
                for (int b = 0; b < blocks.applyAsInt(all.get(e)); b++) {
                    tiles.add(new ExpertTile(e, from, pairs, b));
                }
            }
        }
        return tiles;
    }

    @Override
    public void experts(
            Rows rows, Activation in, Experts experts, Activation inner, Matrix hidden) {
        CpuExperts mixture = (CpuExperts) experts;
        List<Expert<BlockedLinear>> all = mixture.all();
        HostActivation x = HostMemory.host(in);
        HostActivation y = HostMemory.host(inner);
        int count = rows.count();
        int perRow = mixture.perRow();
        BlockedLinear router = mixture.router();
        float[] logits = new float[count * all.size()];
        Epilogue store = copyTo(logits, all.size());
        run(
                (long) count * router.in() * router.out(),
                tasks(router, count),
                task -> project(router, x, count, null, task, store));
        Routing chosen = HostRouting.of(logits, count, all.size(), perRow);
        int pairs = count * perRow;
        HostActivation gathered = gathered(pairs, x);
        for (int i = 0; i < pairs; i++) {
            gathered.gather(x, chosen.rows()[i], i);
        }
        long products = (long) pairs * x.columns() * mixture.intermediate();
        List<ExpertTile> gates = tiles(chosen, e -> e.gate().blocks(), all);
        run(
                2 * products,
                gates.size(),
                task -> {
                    ExpertTile t = gates.get(task);
                    Expert<BlockedLinear> e = all.get(t.expert());
                    gate(
                            e.gate(),
                            e.up(),
                            gathered,
                            t.firstPair(),
                            t.pairs(),
                            t.block(),
                            null,
                            null,
                            y);
                });
        run((long) pairs * y.columns() * CHANNEL, pairs, i -> quantize(y, i));
        if (outputs.length < pairs * x.columns()) {
            outputs = new float[pairs * x.columns()];
        }
        float[] outs = outputs;
        List<ExpertTile> downs = tiles(chosen, e -> e.down().blocks(), all);
        run(
                products,
                downs.size(),
                task -> {
                    ExpertTile t = downs.get(task);
                    BlockedLinear down = all.get(t.expert()).down();
                    float[] tile = scratch.get().tile;
                    down.tile(y, t.firstPair(), t.pairs(), t.block(), tile);
                    int column = t.block() * COLUMNS;
                    int columns = Math.min(COLUMNS, down.out() - column);
                    for (int i = 0; i < t.pairs(); i++) {
                        int to = (t.firstPair() + i) * down.out() + column;
                        System.arraycopy(tile, i * COLUMNS, outs, to, columns);
                    }
                });
        int[] pairsOfRows = HostRouting.pairsOfRows(chosen, count, perRow);
        float[] h = HostMemory.values(hidden);
        run(
                (long) pairs * x.columns(),
                count,
                r -> {
                    for (int c = 0; c < x.columns(); c++) {
                        float sum = 0;
                        for (int i = r * perRow; i < (r + 1) * perRow; i++) {
                            int pair = pairsOfRows[i];
                            sum += chosen.weights()[pair] * outs[pair * x.columns() + c];
                        }
                        h[r * x.columns() + c] += sum;
                    }
                });
        routing = chosen;
    }

    /** Memory for an input's rows, each as often as experts read it. */
    private HostActivation gathered(int rows, HostActivation like) {
        HostActivation own = gathered;
        if (own == null
                || own.rows() < rows
                || own.columns() != like.columns()
                || (own.spec() == null) != (like.spec() == null)) {
            own = HostActivation.of(rows, like.columns(), like.spec());
            gathered = own;
        }
        return own.with(like.spec());
    }

    @Override
    public void logits(
            int[] rowIndexes,
            Matrix hidden,
            float[] weight,
            float epsilon,
            Linear head,
            Matrix logits) {
        int count = rowIndexes.length;
        HostActivation normed = HostActivation.of(count, weight.length, null);
        for (int i = 0; i < count; i++) {
            norm(
                    HostMemory.values(hidden),
                    rowIndexes[i] * weight.length,
                    weight,
                    epsilon,
                    normed.plain(),
                    i * weight.length);
        }
        BlockedLinear w = (BlockedLinear) head;
        Epilogue store = copyTo(HostMemory.values(logits), w.out());
        run(
                (long) count * w.in() * w.out(),
                tasks(w, count),
                task -> project(w, normed, count, null, task, store));
    }

    @Override
    public void close() {
        workers.close();
    }
}
