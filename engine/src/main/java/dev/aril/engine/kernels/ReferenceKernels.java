package dev.aril.engine.kernels;

import dev.aril.engine.kernels.HostMemory.HostActivation;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Plain loops, one thread: the definition of every operation, the oracle of the tests and the
 * baseline of the benchmarks. Floating-point sums run in double where the format does not fix their
 * order.
 */
public final class ReferenceKernels extends HostKernels {
    private record PlainLinear(LinearWeights weights, float @Nullable [] bias) implements Linear {
        @Override
        public int out() {
            return weights.out();
        }

        @Override
        public int in() {
            return weights.in();
        }
    }

    private record PlainExperts(PlainLinear router, List<Expert<PlainLinear>> all, int perRow)
            implements Experts {}

    private record PlainAdapter(@Nullable LowRank[][] layers) implements Adapter {
        @Override
        public long bytes() {
            long floats = 0;
            for (@Nullable LowRank[] layer : layers) {
                for (@Nullable LowRank pair : layer) {
                    floats += pair == null ? 0 : pair.a().length + pair.b().length;
                }
            }
            return 4 * floats;
        }
    }

    /** One float a value, quantized and dequantized on the way in where the shape says so. */
    private record PlainCache(KvShape shape, float[] keys, float[] values) implements KvCache {
        int at(int layer, int block, int position, int head) {
            return (((layer * shape.blocks() + block) * BLOCK_TOKENS + position % BLOCK_TOKENS)
                                    * shape.heads()
                            + head)
                    * shape.headDim();
        }

        @Override
        public long bytes() {
            return 4L * (keys.length + values.length);
        }
    }

    @Override
    public String device() {
        return "plain loops on one CPU thread";
    }

    @Override
    public Linear load(LinearWeights weights, float @Nullable [] bias) {
        return new PlainLinear(weights, bias);
    }

    @Override
    public Experts loadExperts(LinearWeights.Bf16 router, List<ExpertWeights> experts, int perRow) {
        return new PlainExperts(
                new PlainLinear(router, null),
                experts.stream()
                        .map(e ->
                                new Expert<>(
                                        new PlainLinear(e.gate(), null),
                                        new PlainLinear(e.up(), null),
                                        new PlainLinear(e.down(), null)))
                        .toList(),
                perRow);
    }

    @Override
    public Adapter load(@Nullable LowRank[][] adapter) {
        return new PlainAdapter(adapter);
    }

    @Override
    public KvCache allocate(KvShape shape) {
        int size =
                Math.toIntExact(
                        (long) shape.layers()
                                * shape.blocks()
                                * BLOCK_TOKENS
                                * shape.heads()
                                * shape.headDim());
        return new PlainCache(shape, new float[size], new float[size]);
    }

    @Override
    public void normalize(Rows rows, Matrix hidden, float[] weight, float epsilon, Activation out) {
        HostActivation x = HostMemory.host(out);
        float[] h = HostMemory.values(hidden);
        for (int r = 0; r < rows.count(); r++) {
            norm(h, r * x.columns(), weight, epsilon, x.plain(), r * x.columns());
            quantize(x, r);
        }
    }

    private static void norm(
            float[] h, int from, float[] weight, float epsilon, float[] out, int to) {
        double squares = 0;
        for (int c = 0; c < weight.length; c++) {
            squares += (double) h[from + c] * h[from + c];
        }
        double scale = 1 / Math.sqrt(squares / weight.length + epsilon);
        for (int c = 0; c < weight.length; c++) {
            out[to + c] = (float) (h[from + c] * scale) * weight[c];
        }
    }

    /** Row r's codes from its plain floats, as {@link InputSpec} defines them. */
    static void quantize(HostActivation x, int r) {
        InputSpec spec = x.spec();
        if (spec == null) {
            return;
        }
        int columns = x.columns();
        int groups = spec.groups(columns);
        float[] ordered = new float[columns];
        for (int j = 0; j < columns; j++) {
            int channel = spec.order() == null ? j : spec.order()[j];
            ordered[j] = x.plain()[r * columns + channel];
        }
        for (int g = 0; g <= groups; g++) {
            boolean outlier = g == groups;
            int from = g * spec.group();
            int to = outlier ? columns : from + spec.group();
            if (!outlier && spec.rotated()) {
                Hadamard.apply(ordered, from, spec.group());
            }
            float max = InputSpec.TINY;
            for (int j = from; j < to; j++) {
                max = Math.max(max, Math.abs(ordered[j]));
            }
            float scale = outlier ? max / 127f : max * spec.clip() / spec.top();
            x.scales()[r * (groups + 1) + g] = scale;
            float inverse = 1 / scale;
            for (int j = from; j < to; j++) {
                float code = ordered[j] * inverse + InputSpec.ROUND - InputSpec.ROUND;
                if (outlier) {
                    x.outliers()[r * spec.outliers() + j - from] = Math.clamp(code, -127f, 127f);
                } else {
                    x.codes()[r * groups * spec.group() + j] =
                            (short) Math.clamp(code, spec.bottom(), spec.top());
                }
            }
        }
    }

    /** w·x of row r for output n, without adapters. */
    private static float dot(LinearWeights weights, HostActivation x, int r, int n) {
        return switch (weights) {
            case LinearWeights.Bf16 w -> {
                double sum = 0;
                for (int k = 0; k < w.in(); k++) {
                    sum +=
                            (double) Bf16Bits.toFloat(w.bits()[n * w.in() + k])
                                    * x.plain()[r * w.in() + k];
                }
                yield (float) sum;
            }
            case LinearWeights.Int4 w -> {
                float[] part = new float[1];
                float[] halves = new float[2];
                int groups = w.groups() + 1;
                for (int run = 0; run < Runs.COUNT; run++) {
                    for (int g = Runs.begin(groups, run); g < Runs.begin(groups, run + 1); g++) {
                        part[0] =
                                Math.fma(scale(w, x, r, n, g), (float) sum(w, x, r, n, g), part[0]);
                    }
                    Runs.end(run, part, halves, 1);
                }
                yield halves[0] + halves[1];
            }
        };
    }

    /** Of the codes' products of a group; the outliers are the last one. */
    private static int sum(LinearWeights.Int4 w, HostActivation x, int r, int n, int g) {
        int sum = 0;
        if (g < w.groups()) {
            for (int j = g * w.group(); j < (g + 1) * w.group(); j++) {
                sum += w.code(n, j) * x.codes()[r * (w.in() - w.outliers()) + j];
            }
        } else {
            for (int j = 0; j < w.outliers(); j++) {
                sum +=
                        w.outlierCodes()[n * w.outliers() + j]
                                * (int) x.outliers()[r * w.outliers() + j];
            }
        }
        return sum;
    }

    private static float scale(LinearWeights.Int4 w, HostActivation x, int r, int n, int g) {
        float ofWeights =
                g < w.groups()
                        ? Float.float16ToFloat(w.scales()[n * w.groups() + g])
                        : w.outlierScales()[n];
        return x.scales()[r * (w.groups() + 1) + g] * ofWeights;
    }

    /** The base's and the adapters' part of one projection: [count, out]. */
    private static float[] project(
            Rows rows, HostActivation x, Linear linear, int layer, int projection) {
        LinearWeights weights = ((PlainLinear) linear).weights();
        int out = weights.out();
        float[] y = new float[rows.count() * out];
        for (int r = 0; r < rows.count(); r++) {
            product((PlainLinear) linear, x, r, y, r * out);
        }
        for (Rows.Segment segment : rows.segments()) {
            LowRank pair = ((PlainAdapter) segment.adapter()).layers()[layer][projection];
            if (pair == null) {
                continue;
            }
            for (int r = segment.firstRow(); r < segment.firstRow() + segment.count(); r++) {
                addLora(pair, x.plain(), r * weights.in(), y, r * out);
            }
        }
        return y;
    }

    /** w·x of row r, and the bias. */
    private static void product(PlainLinear linear, HostActivation x, int r, float[] y, int to) {
        for (int n = 0; n < linear.out(); n++) {
            y[to + n] = dot(linear.weights(), x, r, n);
            if (linear.bias() != null) {
                y[to + n] += linear.bias()[n];
            }
        }
    }

    private static void addLora(LowRank pair, float[] x, int from, float[] y, int to) {
        int in = pair.in();
        double[] shrunk = new double[pair.rank()];
        for (int i = 0; i < pair.rank(); i++) {
            for (int k = 0; k < in; k++) {
                shrunk[i] += (double) pair.a()[i * in + k] * x[from + k];
            }
        }
        for (int n = 0; n < pair.out(); n++) {
            double sum = 0;
            for (int i = 0; i < pair.rank(); i++) {
                sum += shrunk[i] * pair.b()[n * pair.rank() + i];
            }
            y[to + n] += (float) sum;
        }
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
        PlainCache kv = (PlainCache) cache;
        int headDim = kv.shape().headDim();
        float[] query = project(rows, x, q, layer, LowRank.Q);
        float[] key = project(rows, x, k, layer, LowRank.K);
        float[] value = project(rows, x, v, layer, LowRank.V);
        for (Rows.Span span : rows.spans()) {
            for (int r = span.firstRow(); r < span.firstRow() + span.count(); r++) {
                int position = rows.positions()[r];
                for (int h = 0; h < q.out() / headDim; h++) {
                    int at = r * q.out() + h * headDim;
                    if (norms != null) {
                        norm(query, at, norms.query(), norms.epsilon(), query, at);
                    }
                    rope.turn(query, at, position);
                    rotate(kv.shape(), query, at);
                }
                for (int h = 0; h < kv.shape().heads(); h++) {
                    int from = r * k.out() + h * headDim;
                    int to = kv.at(layer, span.blocks()[position / BLOCK_TOKENS], position, h);
                    if (norms != null) {
                        norm(key, from, norms.key(), norms.epsilon(), key, from);
                    }
                    boolean turnedWhenRead = kv.shape().format() == KvFormat.INT4_BEFORE_ROPE;
                    if (!turnedWhenRead) {
                        rope.turn(key, from, position);
                        rotate(kv.shape(), key, from);
                    }
                    store(kv.shape(), key, from, kv.keys(), to);
                    if (turnedWhenRead) {
                        // what is kept here is what is read: turned after its rounding
                        rope.turn(kv.keys(), to, position);
                    }
                    store(kv.shape(), value, from, kv.values(), to);
                }
            }
        }
        System.arraycopy(query, 0, HostMemory.values(queries), 0, query.length);
    }

    private static void rotate(KvShape shape, float[] x, int at) {
        if (shape.rotated()) {
            Hadamard.apply(x, at, shape.headDim());
        }
    }

    private static void store(KvShape shape, float[] x, int from, float[] to, int at) {
        if (!shape.quantized()) {
            System.arraycopy(x, from, to, at, shape.headDim());
            return;
        }
        KvCodes codes = KvCodes.of(x, from, shape.headDim());
        for (int d = 0; d < shape.headDim(); d++) {
            to[at + d] = (codes.codes()[d] - codes.zero()) * codes.scaleValue();
        }
    }

    @Override
    public void attend(
            Rows rows, Matrix queries, KvCache cache, int layer, int window, Activation out) {
        PlainCache kv = (PlainCache) cache;
        KvShape shape = kv.shape();
        int headDim = shape.headDim();
        HostActivation x = HostMemory.host(out);
        int heads = x.columns() / headDim;
        float[] q = HostMemory.values(queries);
        double softmaxScale = 1 / Math.sqrt(headDim);
        for (Rows.Span span : rows.spans()) {
            for (int r = span.firstRow(); r < span.firstRow() + span.count(); r++) {
                int length = rows.positions()[r] + 1;
                int first = Math.max(0, length - window);
                for (int h = 0; h < heads; h++) {
                    int kvHead = h / (heads / shape.heads());
                    int at = r * x.columns() + h * headDim;
                    double[] weights = new double[length];
                    double max = Double.NEGATIVE_INFINITY;
                    for (int p = first; p < length; p++) {
                        int key = kv.at(layer, span.blocks()[p / BLOCK_TOKENS], p, kvHead);
                        for (int d = 0; d < headDim; d++) {
                            weights[p] += (double) q[at + d] * kv.keys()[key + d];
                        }
                        weights[p] *= softmaxScale;
                        max = Math.max(max, weights[p]);
                    }
                    double total = 0;
                    double[] mixed = new double[headDim];
                    for (int p = first; p < length; p++) {
                        double weight = Math.exp(weights[p] - max);
                        total += weight;
                        int value = kv.at(layer, span.blocks()[p / BLOCK_TOKENS], p, kvHead);
                        for (int d = 0; d < headDim; d++) {
                            mixed[d] += weight * kv.values()[value + d];
                        }
                    }
                    for (int d = 0; d < headDim; d++) {
                        x.plain()[at + d] = (float) (mixed[d] / total);
                    }
                    rotate(shape, x.plain(), at);
                }
                quantize(x, r);
            }
        }
    }

    @Override
    public void projectAdd(
            Rows rows, Activation in, Linear w, int layer, int projection, Matrix hidden) {
        float[] y = project(rows, HostMemory.host(in), w, layer, projection);
        float[] h = HostMemory.values(hidden);
        for (int i = 0; i < y.length; i++) {
            h[i] += y[i];
        }
    }

    @Override
    public void gateUp(
            Rows rows, Activation in, Linear gate, Linear up, int layer, Activation out) {
        HostActivation x = HostMemory.host(in);
        HostActivation y = HostMemory.host(out);
        float[] g = project(rows, x, gate, layer, LowRank.GATE);
        float[] u = project(rows, x, up, layer, LowRank.UP);
        for (int i = 0; i < g.length; i++) {
            y.plain()[i] = gated(g[i], u[i]);
        }
        for (int r = 0; r < rows.count(); r++) {
            quantize(y, r);
        }
    }

    private static float gated(float gate, float up) {
        return (float) (gate / (1 + Math.exp(-gate))) * up;
    }

    @Override
    public void experts(
            Rows rows, Activation in, Experts experts, Activation inner, Matrix hidden) {
        PlainExperts mixture = (PlainExperts) experts;
        HostActivation x = HostMemory.host(in);
        HostActivation y = HostMemory.host(inner);
        float[] h = HostMemory.values(hidden);
        int count = rows.count();
        int width = mixture.intermediate();
        float[] logits = new float[count * mixture.count()];
        for (int r = 0; r < count; r++) {
            product(mixture.router(), x, r, logits, r * mixture.count());
        }
        Routing chosen = HostRouting.of(logits, count, mixture.count(), mixture.perRow());
        float[] sums = new float[count * x.columns()];
        float[] gate = new float[width];
        float[] up = new float[width];
        float[] out = new float[x.columns()];
        for (int e = 0; e < mixture.count(); e++) {
            Expert<PlainLinear> expert = mixture.all().get(e);
            for (int i = chosen.starts()[e]; i < chosen.starts()[e + 1]; i++) {
                int r = chosen.rows()[i];
                product(expert.gate(), x, r, gate, 0);
                product(expert.up(), x, r, up, 0);
                for (int n = 0; n < width; n++) {
                    y.plain()[i * width + n] = gated(gate[n], up[n]);
                }
                quantize(y, i);
                product(expert.down(), y, i, out, 0);
                for (int c = 0; c < out.length; c++) {
                    sums[r * out.length + c] += chosen.weights()[i] * out[c];
                }
            }
        }
        for (int i = 0; i < sums.length; i++) {
            h[i] += sums[i];
        }
        routing = chosen;
    }

    @Override
    public void logits(
            int[] rowIndexes,
            Matrix hidden,
            float[] weight,
            float epsilon,
            Linear head,
            Matrix logits) {
        float[] out = HostMemory.values(logits);
        HostActivation normed = HostActivation.of(1, weight.length, null);
        for (int i = 0; i < rowIndexes.length; i++) {
            int from = rowIndexes[i] * weight.length;
            norm(HostMemory.values(hidden), from, weight, epsilon, normed.plain(), 0);
            for (int n = 0; n < head.out(); n++) {
                out[i * head.out() + n] = dot(((PlainLinear) head).weights(), normed, 0, n);
            }
        }
    }

    @Override
    public void close() {}
}
