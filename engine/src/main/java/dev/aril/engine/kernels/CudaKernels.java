package dev.aril.engine.kernels;

import static dev.aril.engine.kernels.CudaMemory.roundUp;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaContext;
import dev.aril.cuda.CudaDevice;
import dev.aril.cuda.CudaEvent;
import dev.aril.cuda.CudaException;
import dev.aril.cuda.CudaGraph;
import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.cuda.PinnedBuffer;
import dev.aril.engine.TokenLogprobs;
import dev.aril.engine.kernels.CudaAttention.Lists;
import dev.aril.engine.kernels.CudaGemm.Pairs;
import dev.aril.engine.kernels.CudaMemory.DeviceActivation;
import dev.aril.engine.kernels.CudaMemory.DeviceBf16;
import dev.aril.engine.kernels.CudaMemory.DeviceCache;
import dev.aril.engine.kernels.CudaMemory.DeviceExperts;
import dev.aril.engine.kernels.CudaMemory.DeviceHead;
import dev.aril.engine.kernels.CudaMemory.DeviceInt4;
import dev.aril.engine.kernels.CudaMemory.DeviceLinear;
import dev.aril.engine.kernels.CudaMemory.DeviceMatrix;
import dev.aril.engine.kernels.CudaMemory.DeviceTable;
import java.nio.ByteBuffer;
import java.nio.ShortBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * An NVIDIA GPU of compute capability 8.0 or newer. Operations are queued on one stream and return
 * at once; {@link #read} waits. Adapters are loaded on a second stream, by any thread, beside
 * running steps; everything else belongs to one thread at a time.
 */
public final class CudaKernels implements Kernels {
    private static final int GROUP = CudaGemm.GROUP;

    /** Thread blocks of the norm that are worth their reading a row again, in all. */
    private static final int NORM_BLOCKS = 256;

    /** What the arena takes of the free memory where no size is asked for. */
    private static final double SHARE = 0.9;

    private static final int TIMED_ROUNDS = 9;

    /** Numbers that a thread widens at once. */
    private static final int CONVERTED = 1 << 16;

    /** The struct StepHead, whose last int are the samples. */
    private static final int HEAD_BYTES = 16;

    /** Rows of the steps that are recorded: steps of fewer are filled up with nothing. */
    private static final int[] RECORDED = {
        1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256
    };

    private static final int MOST_RECORDED = RECORDED[RECORDED.length - 1];

    /**
     * A recorded step of decodes.
     *
     * @param most what its kernels' grids are made for
     * @param adapted whether any of them has an adapter
     * @param scored whether any of them wants logprobs
     * @param place where the step's lists lie
     */
    private record Recorded(Lists most, boolean adapted, boolean scored, long place) {}

    /** Far beyond what any cache holds. */
    private static final long COPIED_BYTES = 512L << 20;

    private final CudaContext context;
    private final DeviceMemory memory;
    private final CudaStream stream;
    private final CudaUploads uploads;
    private final CudaLoader loader;
    private final CudaPrograms programs;
    private final CudaGemm gemm;
    private final CudaStep step;
    private final CudaAttention attention;
    private final CudaLora lora;
    private final Arguments arguments = new Arguments();
    private final Scratch keyValue = new Scratch();
    private final Scratch gateUp = new Scratch();
    private final Scratch chosen = new Scratch();
    private final Scratch likely = new Scratch();
    private final CudaInlet picked;

    private final Scratch pairOutputs = new Scratch();
    private final Scratch pairLists = new Scratch();
    private final CudaConstants constants;
    private final CudaExperts experts;
    private final boolean bf16Head;
    private final CudaHead head;
    private final CudaSampler sampler;
    private final CudaLogprobs scorer;

    /** Void once memory that they name is given back or replaced. */
    private final Map<Recorded, CudaGraph> graphs = new HashMap<>();

    /** Rows that a step's inputs have memory for. */
    private int mostRows;

    /** Rows of logits that the step's kernels are made for. */
    private int samples;

    /** Whether a step's operations are being recorded, or run to be recorded next. */
    private boolean recorded;

    /** Whether room for the adapters' lists was made, of which recorded steps have the address. */
    private boolean reserved;

    private int widestIn;
    private int widestOut;

    private PinnedBuffer transfer;
    private @Nullable Matrix drawn;
    private long ids;

    /** Structs Scored of the last step in which a row asked. */
    private long scored;

    private List<Draw> draws = List.of();
    private @Nullable TokenLogprobs[] logprobs = {};
    private @Nullable Thread bound;

    /** Memory that grows with the largest step, and is used within one operation. */
    private final class Scratch {
        private long address;
        private long size;

        long floats(long count) {
            if (4 * count > size) {
                if (size > 0) {
                    forget();
                    stream.synchronize(); // nobody reads the old one
                    memory.free(address);
                    size = 0;
                }
                address = memory.allocate(4 * count);
                size = 4 * count;
            }
            return address;
        }
    }

    /**
     * Takes the device.
     *
     * @param bytes of device memory for everything; 0 takes most of what is free
     * @throws IllegalStateException if there is no usable device or this build has no kernels, with
     *     the reason
     */
    public CudaKernels(long bytes) {
        this(bytes, AdapterPrecision.BF16, false);
    }

    /**
     * As the other.
     *
     * @param precision how adapters are kept
     * @param bf16Head whether the output head is kept in bf16, whatever is asked for
     */
    public CudaKernels(long bytes, AdapterPrecision precision, boolean bf16Head) {
        this.bf16Head = bf16Head;
        Optional<String> reason = unusable();
        if (reason.isPresent() || !(CudaDevice.first() instanceof CudaDevice.Usable device)) {
            throw new IllegalStateException("no GPU to run on: " + reason.orElse("none"));
        }
        context = CudaContext.open(device);
        bound = Thread.currentThread();
        memory = arena(bytes);
        stream = new CudaStream(device.major() >= 9);
        transfer = new PinnedBuffer(1 << 20);
        programs = new CudaPrograms();
        uploads = new CudaUploads(context);
        loader = new CudaLoader(memory, uploads, precision);
        gemm = new CudaGemm(context, memory, uploads, stream);
        attention = new CudaAttention(context, memory, stream, arguments, this::put, this::forget);
        constants = new CudaConstants(memory, stream, uploads);
        experts =
                new CudaExperts(
                        stream,
                        arguments,
                        this::put,
                        size -> pairLists.floats((size + Float.BYTES - 1) / Float.BYTES));
        picked = new CudaInlet(memory, stream);
        head = new CudaHead(context, memory, uploads, stream);
        sampler = new CudaSampler(context, memory, stream);
        scorer = new CudaLogprobs(stream);
        lora = new CudaLora(programs, memory, stream, context.multiprocessors(), this::forget);
        step = new CudaStep(memory, stream, sampler, lora);
    }

    private DeviceMemory arena(long bytes) {
        try {
            return new DeviceMemory(
                    context, bytes > 0 ? bytes : (long) (SHARE * context.freeBytes()));
        } catch (CudaException | OutOfDeviceMemory e) {
            context.close();
            throw e;
        }
    }

    /** Why this process cannot run on a GPU; empty if it can. */
    public static Optional<String> unusable() {
        if (CudaDevice.first() instanceof CudaDevice.Unusable(String reason)) {
            return Optional.of(reason);
        }
        return CudaPrograms.packaged()
                ? Optional.empty()
                : Optional.of("this build has no GPU kernels; nvcc was missing when it was made");
    }

    /**
     * Bytes of the device's memory that nobody has taken, other processes included.
     *
     * @throws IllegalStateException if there is no usable device, with the reason
     */
    public static long unusedBytes() {
        if (!(CudaDevice.first() instanceof CudaDevice.Usable device)) {
            throw new IllegalStateException("no GPU to run on: " + unusable().orElse("none"));
        }
        try (CudaContext context = CudaContext.open(device)) {
            return context.freeBytes();
        }
    }

    @Override
    public String device() {
        CudaDevice.Usable device = context.device();
        return device.name() + ", " + (memory.capacity() >> 20) + " MiB of its memory";
    }

    private void bind() {
        Thread current = Thread.currentThread();
        if (current != bound) {
            context.bind();
            bound = current;
        }
    }

    @Override
    public Matrix matrix(int rows, int columns) {
        forget();
        return new DeviceMatrix(rows, columns, memory.allocate(4L * rows * columns));
    }

    /** Recorded steps name memory that is about to be replaced. */
    private void forget() {
        if (!graphs.isEmpty()) {
            bind();
            stream.synchronize();
            graphs.values().forEach(CudaGraph::close);
            graphs.clear();
        }
    }

    @Override
    public Activation activation(int rows, int columns, @Nullable InputSpec spec) {
        mostRows = Math.max(mostRows, rows);
        return input(rows, columns, spec);
    }

    private DeviceActivation input(int rows, int columns, @Nullable InputSpec spec) {
        if (4L * columns > CudaPrograms.SHARED_BYTES && !wide(columns)) {
            throw new IllegalArgumentException("a layer's input may not be " + columns + " wide");
        }
        int capacity = roundUp(rows, CudaGemm.ROWS);
        long plain = memory.allocate(2L * capacity * columns);
        if (spec == null) {
            require(columns % 64 == 0, "the width of a bf16 layer's input", "of 64", columns);
            long planes = memory.allocate(3L * 2 * capacity * columns);
            return new DeviceActivation(rows, capacity, columns, null, plain, 0, planes, 0);
        }
        require(columns % GROUP == 0, "the width of a quantized layer's input", "of 128", columns);
        check(spec);
        long codes = memory.allocate(CudaGemm.codeBytes(capacity, columns));
        return new DeviceActivation(rows, capacity, columns, spec, plain, codes, 0, order(spec));
    }

    @Override
    public Activation gated(int rows, int columns, @Nullable InputSpec spec) {
        require(columns % GROUP == 0, "the MLP's width", "of 128", columns);
        // of experts it has more rows than a step
        return input(rows, columns, spec);
    }

    /** Only the MLP's inner input, which needs no shared memory, may be so wide. */
    private static boolean wide(int columns) {
        return columns % GROUP == 0;
    }

    private static void require(boolean met, String what, String multiple, int value) {
        if (!met) {
            throw new IllegalArgumentException(
                    what + " must be a multiple " + multiple + " on the GPU, not " + value);
        }
    }

    private static void check(InputSpec spec) {
        check(spec.group(), spec.outliers());
        if (!spec.rotated()) {
            throw new IllegalArgumentException(
                    "the GPU kernels take inputs whose groups are rotated, which the recipe atom's"
                            + " are not: run this model on the CPU, or import it with the recipe w4a4");
        }
        if (spec.bits() != 4 && spec.bits() != 8) {
            throw new IllegalArgumentException(
                    "activations have 4 or 8 bits on the GPU, not " + spec.bits());
        }
    }

    private static void check(int group, int outliers) {
        if (group != GROUP || outliers != GROUP) {
            throw new IllegalArgumentException(
                    "the GPU kernels take groups of 128 with 128 outliers, not "
                            + group
                            + " with "
                            + outliers);
        }
    }

    private long order(@Nullable InputSpec spec) {
        return spec == null || spec.order() == null ? 0 : constants.of(spec.order());
    }

    @Override
    public Activation sharing(Activation memory, @Nullable InputSpec spec) {
        DeviceActivation own = (DeviceActivation) memory;
        if ((spec == null) != (own.spec() == null)) {
            throw new IllegalArgumentException(
                    "plain and quantized layers cannot share an input's memory");
        }
        if (spec != null) {
            check(spec);
        }
        return new DeviceActivation(
                own.rows(),
                own.capacity(),
                own.columns(),
                spec,
                own.plain(),
                own.codes(),
                own.planes(),
                order(spec));
    }

    @Override
    public Linear load(LinearWeights weights, float @Nullable [] bias) {
        bind();
        widestIn = Math.max(widestIn, weights.in());
        widestOut = Math.max(widestOut, weights.out());
        return place(weights, bias);
    }

    private DeviceLinear place(LinearWeights weights, float @Nullable [] bias) {
        if (bias != null && bias.length != weights.out()) {
            throw new IllegalArgumentException(
                    "a bias has " + bias.length + " values for " + weights.out() + " outputs");
        }
        return switch (weights) {
            case LinearWeights.Bf16 w -> {
                require(w.in() % 64 == 0, "the input width of a bf16 layer", "of 64", w.in());
                yield new DeviceBf16(w.out(), w.in(), place(w.bits()), place(bias));
            }
            case LinearWeights.Int4 w -> {
                check(w.group(), w.outliers());
                require(w.in() % GROUP == 0, "the input width of an INT4 layer", "of 128", w.in());
                yield gemm.load(w, place(bias));
            }
        };
    }

    private long place(float @Nullable [] values) {
        if (values == null) {
            return 0;
        }
        long address = memory.allocate(4L * values.length);
        uploads.copy(address, values);
        return address;
    }

    @Override
    public void unload(Linear linear) {
        settle();
        free((DeviceLinear) linear);
    }

    private void free(DeviceLinear linear) {
        memory.free(linear.weights());
        if (linear instanceof DeviceInt4 w) {
            memory.free(w.outliers());
        }
        if (linear.bias() != 0) {
            memory.free(linear.bias());
        }
    }

    /** Until no kernel, queued or recorded, reads what is about to be freed. */
    private void settle() {
        bind();
        forget();
        stream.synchronize();
    }

    @Override
    public Experts loadExperts(LinearWeights.Bf16 router, List<ExpertWeights> all, int perRow) {
        bind();
        CudaExperts.check(all.size(), perRow);
        List<Expert<DeviceLinear>> placed =
                all.stream()
                        .map(e ->
                                new Expert<>(
                                        place(e.gate(), null),
                                        place(e.up(), null),
                                        place(e.down(), null)))
                        .toList();
        long[] gates = placed.stream().flatMapToLong(e -> weights(e.gate(), e.up())).toArray();
        long[] downs = placed.stream().flatMapToLong(e -> weights(e.down())).toArray();
        return new DeviceExperts(
                new DeviceBf16(router.out(), router.in(), place(router.bits()), 0),
                placed,
                perRow,
                place(gates),
                place(downs));
    }

    private static LongStream weights(DeviceLinear... linears) {
        return Arrays.stream(linears)
                .flatMapToLong(w ->
                        LongStream.of(w.weights(), w instanceof DeviceInt4 i ? i.outliers() : 0));
    }

    private long place(long[] values) {
        long address = memory.allocate(8L * values.length);
        uploads.copy(address, values);
        return address;
    }

    @Override
    public void unload(Experts mixture) {
        settle();
        DeviceExperts own = (DeviceExperts) mixture;
        free(own.router());
        for (Expert<DeviceLinear> expert : own.all()) {
            free(expert.gate());
            free(expert.up());
            free(expert.down());
        }
        memory.free(own.gates());
        memory.free(own.downs());
    }

    @Override
    public void experts(
            Rows rows, Activation in, Experts mixture, Activation inner, Matrix hidden) {
        begin(rows);
        DeviceExperts own = (DeviceExperts) mixture;
        DeviceActivation from = (DeviceActivation) in;
        DeviceActivation to = (DeviceActivation) inner;
        Expert<DeviceLinear> first = own.all().getFirst();
        int count = step.capacity();
        int most = count * own.perRow();
        if (to.order() != 0 || to.capacity() < most) {
            throw new IllegalArgumentException(
                    "experts write in the order that down reads, a row for each of a row's experts");
        }
        Pairs pairs = experts.choose(step.head(), count, from, own);
        long gate = gateUp.floats(2L * most * to.columns());
        long up = gate + 4L * most * to.columns();
        gemm.run(pairs, from, true, own.gates(), new long[] {gate, up}, first.gate(), first.up());
        silu(gate, up, to, count, own.perRow());
        long outputs = pairOutputs.floats((long) most * hidden.columns());
        gemm.run(pairs, to, false, own.downs(), new long[] {outputs}, first.down());
        experts.add(
                step.head(),
                count,
                own,
                outputs,
                ((DeviceMatrix) hidden).address(),
                hidden.columns());
    }

    @Override
    public Routing routing() {
        bind();
        return experts.read(transfer(experts.routingBytes()));
    }

    private long place(short[] bits) {
        long address = memory.allocate(2L * bits.length);
        uploads.copy(address, bits);
        return address;
    }

    @Override
    public Table loadTable(short[] bits, int rows, int columns) {
        bind();
        return new DeviceTable(rows, columns, place(bits));
    }

    @Override
    public Adapter load(@Nullable LowRank[][] adapter) {
        return loader.load(adapter);
    }

    @Override
    public void unload(Adapter adapter) {
        memory.free(((CudaAdapter) adapter).address());
    }

    @Override
    public KvCache allocate(KvShape shape) {
        if (shape.headDim() != 64 && shape.headDim() != 128) {
            throw new IllegalArgumentException(
                    "head_dim must be 64 or 128 on the GPU, not " + shape.headDim());
        }
        if (shape.format() == KvFormat.INT4_BEFORE_ROPE) {
            throw new IllegalArgumentException(
                    "keys cached before RoPE (recipe atom) are not read on the GPU: run this model"
                            + " on the CPU, or import it with the recipe w4a4");
        }
        return new DeviceCache(shape, memory.allocate(DeviceCache.bytes(shape)));
    }

    @Override
    public float[] read(Matrix matrix, int rows) {
        return download(((DeviceMatrix) matrix).address(), rows * matrix.columns());
    }

    /** All 24 bits of a plain layer's input; of a quantized one's what adapters read, in bf16. */
    @Override
    public float[] readPlain(Activation activation, int rows) {
        bind();
        DeviceActivation from = (DeviceActivation) activation;
        int count = rows * from.columns();
        float[] values = new float[count];
        if (from.planes() == 0) {
            addBf16(from.plain(), values);
            return values;
        }
        // the smallest part first: then the sums are exact
        for (int part = 2; part >= 0; part--) {
            addBf16(from.planes() + part * 2L * from.capacity() * from.columns(), values);
        }
        return values;
    }

    /** Adds bf16 numbers of the device, waiting for all work. */
    private void addBf16(long from, float[] values) {
        if (values.length > 0) {
            stream.copyOut(transfer(2L * values.length), from, 2L * values.length);
        }
        stream.synchronize();
        ShortBuffer bits = transfer.bytes().asShortBuffer();
        int pieces = Math.ceilDiv(values.length, CONVERTED);
        IntStream.range(0, pieces)
                .parallel()
                .forEach(piece -> {
                    int end = Math.min(values.length, (piece + 1) * CONVERTED);
                    for (int i = piece * CONVERTED; i < end; i++) {
                        values[i] += Bf16Bits.toFloat(bits.get(i));
                    }
                });
    }

    /** Waits for all work, also where nothing is wanted. */
    private float[] download(long from, int count) {
        bind();
        float[] values = new float[count];
        if (count > 0) {
            stream.copyOut(transfer(4L * count), from, 4L * count);
        }
        stream.synchronize();
        transfer.bytes().asFloatBuffer().get(0, values);
        return values;
    }

    @Override
    public void write(Matrix matrix, float[] values) {
        bind();
        PinnedBuffer buffer = transfer(4L * values.length);
        buffer.bytes().asFloatBuffer().put(0, values);
        stream.copyIn(((DeviceMatrix) matrix).address(), buffer, 4L * values.length);
        stream.synchronize();
    }

    private PinnedBuffer transfer(long bytes) {
        if (transfer.size() < bytes) {
            stream.synchronize();
            transfer.close();
            transfer = new PinnedBuffer(Math.toIntExact(bytes));
        }
        return transfer;
    }

    private void begin(Rows rows) {
        bind();
        step.take(rows);
    }

    @Override
    public void step(Rows rows, int[] sampled, List<Draw> next, Runnable operations) {
        bind();
        if (rows.spans().length < rows.count() || rows.count() > MOST_RECORDED) {
            step.take(rows, Lists.of(rows), sampled, next);
            samples = sampled.length;
            operations.run();
            return;
        }
        Lists most = Lists.of(rows).upTo(capacity(rows.count()));
        if (!reserved) {
            reserved = true;
            lora.reserve(MOST_RECORDED, widestIn, widestOut);
        }
        step.take(rows, most, sampled, next);
        samples = most.rows();
        Recorded key =
                new Recorded(most, rows.segments().length > 0, Draw.scored(next), step.place());
        CudaGraph graph = graphs.get(key);
        if (graph == null) {
            recorded = true;
            try {
                // once by itself, which takes the memory that its size needs
                operations.run();
                graphs.put(key, stream.record(operations));
            } finally {
                recorded = false;
            }
        } else {
            stream.launch(graph);
            draws = next;
        }
    }

    /** Rows to record a step for: few sizes, so that few steps are recorded. */
    private int capacity(int rows) {
        for (int size : RECORDED) {
            if (size >= rows && size <= mostRows) {
                return size;
            }
        }
        return rows;
    }

    private void launch(CudaModule.Kernel kernel, int x, int y, int z, int block, int shared) {
        if (y > 0 && x > 0 && z > 0) {
            stream.launch(kernel, x, y, z, block, shared, arguments);
        }
    }

    /** The struct Input of device.cuh. */
    private void put(DeviceActivation input) {
        InputSpec spec = input.spec();
        arguments
                .put(input.plain())
                .put(input.order())
                .put(input.codes())
                .put(input.planes())
                .put(input.columns())
                .put(input.capacity())
                .put(spec == null ? 1f : spec.clip())
                .put(spec != null && spec.bits() == 8 ? 1 : 0);
    }

    @Override
    public void embed(Rows rows, Table table, Matrix hidden) {
        begin(rows);
        DeviceTable t = (DeviceTable) table;
        arguments
                .begin()
                .put(step.head())
                .put(step.tokens())
                .put(t.address())
                .put(((DeviceMatrix) hidden).address())
                .put(t.columns())
                .put(0);
        launch(programs.embed, (t.columns() + 1023) / 1024, step.capacity(), 1, 128, 0);
    }

    @Override
    public void normalize(Rows rows, Matrix hidden, float[] weight, float epsilon, Activation out) {
        begin(rows);
        DeviceActivation to = (DeviceActivation) out;
        int shared = shared(to);
        arguments
                .begin()
                .put(step.head())
                .put(((DeviceMatrix) hidden).address())
                .put(constants.of(weight));
        put(to);
        arguments.put(epsilon).put(0);
        int count = step.capacity();
        int blocks = Math.clamp(NORM_BLOCKS / Math.max(1, count), 1, 4);
        launch(programs.normalize, blocks, count, 1, 512, shared);
    }

    /** Bytes for a row; the norm and the end of attention hold one in shared memory. */
    private static int shared(DeviceActivation out) {
        int bytes = 4 * out.columns();
        if (bytes > CudaPrograms.SHARED_BYTES) {
            throw new IllegalArgumentException(
                    "a layer's input may be at most "
                            + CudaPrograms.SHARED_BYTES / 4
                            + " wide here, not "
                            + out.columns());
        }
        return bytes;
    }

    /**
     * One or more projections of an input, adapters included.
     *
     * @param projection which of the adapters' matrices the first is; the others follow it
     * @param outputs where each one's [count, out] goes
     */
    private void project(
            Rows rows,
            DeviceActivation in,
            int layer,
            int projection,
            boolean add,
            long[] outputs,
            Linear... linears) {
        // a recorded step serves any adapters
        boolean adapted = rows.segments().length > 0 && (recorded || lora.adapted(projection));
        if (adapted) {
            lora.shrink(step, in, layer, projection, linears.length);
        }
        gemm.run(step.capacity(), in, add, outputs, linears);
        if (adapted) {
            int[] widths = new int[linears.length];
            for (int i = 0; i < widths.length; i++) {
                widths[i] = linears[i].out();
            }
            lora.expand(step, layer, projection, outputs, widths);
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
        begin(rows);
        DeviceCache kv = (DeviceCache) cache;
        int headDim = kv.shape().headDim();
        int heads = q.out() / headDim;
        int count = step.capacity();
        long query = ((DeviceMatrix) queries).address();
        long key = keyValue.floats(2L * count * k.out());
        long value = key + 4L * count * k.out();
        project(
                rows,
                (DeviceActivation) in,
                layer,
                LowRank.Q,
                false,
                new long[] {query, key, value},
                q,
                k,
                v);
        long cos = constants.of(rope.cos());
        long sin = constants.of(rope.sin());
        long[] weights = {0, 0};
        if (norms != null) {
            weights = new long[] {constants.of(norms.query()), constants.of(norms.key())};
        }
        attention.append(
                step.attention(),
                query,
                key,
                value,
                new long[] {cos, sin},
                weights,
                norms == null ? 0 : norms.epsilon(),
                kv,
                layer,
                heads);
    }

    @Override
    public void attend(
            Rows rows, Matrix queries, KvCache cache, int layer, int window, Activation out) {
        if (window < 1) {
            throw new IllegalArgumentException("a window holds at least one position: " + window);
        }
        begin(rows);
        DeviceActivation to = (DeviceActivation) out;
        shared(to); // the merge holds a row there
        attention.attend(
                step.attention(),
                ((DeviceMatrix) queries).address(),
                (DeviceCache) cache,
                layer,
                window,
                to);
    }

    @Override
    public void projectAdd(
            Rows rows, Activation in, Linear w, int layer, int projection, Matrix hidden) {
        begin(rows);
        long[] to = {((DeviceMatrix) hidden).address()};
        project(rows, (DeviceActivation) in, layer, projection, true, to, w);
    }

    @Override
    public void gateUp(
            Rows rows, Activation in, Linear gate, Linear up, int layer, Activation out) {
        begin(rows);
        DeviceActivation to = (DeviceActivation) out;
        if (to.order() != 0) {
            throw new IllegalArgumentException(
                    "gate and up must write in the order that down reads");
        }
        int count = step.capacity();
        long g = gateUp.floats(2L * count * to.columns());
        long u = g + 4L * count * to.columns();
        project(
                rows,
                (DeviceActivation) in,
                layer,
                LowRank.GATE,
                false,
                new long[] {g, u},
                gate,
                up);
        silu(g, u, to, count, 1);
    }

    /**
     * @param each rows of gate and up for each of the step's
     */
    private void silu(long gate, long up, DeviceActivation to, int count, int each) {
        arguments.begin().put(step.head()).put(gate).put(up);
        put(to);
        arguments.put(each).put(0);
        launch(programs.silu, (to.columns() / GROUP + 3) / 4, count * each, 1, 128, 0);
    }

    @Override
    public void logits(
            int[] rowIndexes,
            Matrix hidden,
            float[] weight,
            float epsilon,
            Linear head,
            Matrix logits) {
        bind();
        int count = rowIndexes.length;
        if (count == 0) {
            return;
        }
        boolean own = step.wants(rowIndexes);
        int most = own ? samples : count;
        DeviceHead weights = (DeviceHead) head;
        if (!this.head.hasRoom(weights, most)) {
            forget();
        }
        if (!own) {
            ByteBuffer to = picked.open(HEAD_BYTES + 4 * count);
            to.putInt(HEAD_BYTES - 4, count);
            to.slice(HEAD_BYTES, 4 * count).order(to.order()).asIntBuffer().put(0, rowIndexes);
            picked.send(HEAD_BYTES + 4 * count);
        }
        this.head.run(
                own ? step.head() : picked.address(),
                most,
                own ? step.picked() : picked.address() + HEAD_BYTES,
                ((DeviceMatrix) hidden).address(),
                constants.of(weight),
                epsilon,
                weights,
                ((DeviceMatrix) logits).address());
    }

    @Override
    public Linear loadHead(LinearWeights.Bf16 weights, boolean narrow) {
        bind();
        return head.load(weights, narrow && !bf16Head);
    }

    /** The device's memory in use, in bytes. */
    public long usedBytes() {
        return memory.used();
    }

    /** Nanoseconds the calling thread has waited for the device so far. */
    public long waitedNanos() {
        return stream.waitedNanos();
    }

    /**
     * Times an operation on the device, without the host's part: many calls are recorded into a
     * graph, which is replayed 9 times.
     *
     * @param op given 0 .. repeats - 1, so that it can take turns with its operands; called once
     *     with each beforehand
     * @return microseconds a call, median
     */
    public double time(int repeats, IntConsumer op) {
        bind();
        Runnable all = () -> call(repeats, op);
        all.run(); // takes the memory it needs, copies what it looks up
        stream.synchronize();
        try (CudaGraph graph = stream.record(all)) {
            return time(() -> stream.launch(graph)) / repeats;
        }
    }

    /** As the other, of an operation that copies from the host each time: its calls are queued. */
    public double timeQueued(int repeats, IntConsumer op) {
        bind();
        return time(() -> call(repeats, op)) / repeats;
    }

    private static void call(int repeats, IntConsumer op) {
        for (int i = 0; i < repeats; i++) {
            op.accept(i);
        }
    }

    private double time(Runnable round) {
        double[] times = new double[TIMED_ROUNDS];
        try (CudaEvent begin = new CudaEvent();
                CudaEvent end = new CudaEvent()) {
            for (int i = -1; i < TIMED_ROUNDS; i++) { // the first warms up
                stream.record(begin);
                round.run();
                stream.record(end);
                stream.synchronize();
                times[Math.max(i, 0)] = end.millisecondsSince(begin) * 1e3;
            }
        }
        Arrays.sort(times);
        return times[times.length / 2];
    }

    /** Bytes a second of a copy within the device, those read and those written. */
    public double copyBytesPerSecond() {
        bind();
        long from = memory.allocate(COPIED_BYTES);
        long to = memory.allocate(COPIED_BYTES);
        try {
            double microseconds = time(4, i -> stream.copy(to, from, COPIED_BYTES));
            return 2 * COPIED_BYTES / microseconds * 1e6;
        } finally {
            memory.free(from);
            memory.free(to);
        }
    }

    @Override
    public boolean queued() {
        return true;
    }

    @Override
    public void sample(Matrix logits, List<Draw> next) {
        bind();
        int count = next.size();
        boolean own = step.draws(next);
        int most = own ? samples : count;
        if (!own) {
            int bytes = HEAD_BYTES + CudaSampler.bytes(count);
            ByteBuffer to = picked.open(bytes);
            to.putInt(HEAD_BYTES - 4, count);
            sampler.write(to, HEAD_BYTES, next);
            picked.send(bytes);
        }
        long from = ((DeviceMatrix) logits).address();
        long head = own ? step.head() : picked.address();
        long rows = own ? step.parameters() : picked.address() + HEAD_BYTES;
        ids = chosen.floats(Math.max(most, MOST_RECORDED));
        if (most > 0) {
            sampler.run(head, most, logits.columns(), from, rows, ids);
        }
        if (most > 0 && Draw.scored(next)) {
            int structs = Math.max(most, MOST_RECORDED);
            scored = likely.floats((long) structs * CudaLogprobs.SCORED_BYTES / Float.BYTES);
            scorer.run(head, most, logits.columns(), from, rows, sampler.pool(), ids, scored);
        }
        drawn = logits;
        draws = next;
    }

    @Override
    public int[] sampled() {
        Matrix from = drawn;
        if (from == null) {
            throw new IllegalStateException("nothing was sampled");
        }
        int count = draws.size();
        if (count > 0) {
            stream.copyOut(transfer(4L * count), ids, 4L * count);
        }
        stream.synchronize();
        int[] drawnIds = new int[count];
        transfer.bytes().asIntBuffer().get(0, drawnIds);
        logprobs = new TokenLogprobs[0];
        if (Draw.scored(draws)) {
            long bytes = (long) count * CudaLogprobs.SCORED_BYTES;
            stream.copyOut(transfer(bytes), scored, bytes);
            stream.synchronize();
            logprobs = CudaLogprobs.read(transfer.bytes(), drawnIds, draws, from.columns());
        }
        long row = 4L * from.columns();
        long begin = ((DeviceMatrix) from).address();
        sampler.complete(drawnIds, logprobs, draws, i -> download(begin + i * row, from.columns()));
        return drawnIds;
    }

    @Override
    public @Nullable TokenLogprobs[] logprobs() {
        return logprobs;
    }

    @Override
    public boolean sound() {
        try {
            bind();
            stream.synchronize();
            return true;
        } catch (CudaException e) {
            return false;
        }
    }

    @Override
    public long freeBytes() {
        return memory.largest();
    }

    /** After a failed kernel all of these fail too; the context is given back all the same. */
    @Override
    public void close() {
        CudaParts.close(
                context::bind,
                stream::synchronize,
                () -> graphs.values().forEach(CudaGraph::close),
                uploads::close,
                step::close,
                picked::close,
                head::close,
                sampler::close,
                scorer::close,
                transfer::close,
                gemm::close,
                lora::close,
                attention::close,
                experts::close,
                programs::close,
                stream::close,
                memory::close,
                context::close);
    }
}
