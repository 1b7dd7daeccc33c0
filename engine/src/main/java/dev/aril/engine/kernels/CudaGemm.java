package dev.aril.engine.kernels;

import static dev.aril.engine.kernels.CudaMemory.roundUp;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaContext;
import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaModule.Kernel;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.engine.kernels.CudaMemory.DeviceActivation;
import dev.aril.engine.kernels.CudaMemory.DeviceBf16;
import dev.aril.engine.kernels.CudaMemory.DeviceInt4;
import dev.aril.engine.kernels.CudaMemory.DeviceLinear;
import dev.aril.engine.kernels.Kernels.Linear;

/**
 * The projections: up to three that read one input in a launch. {@code int4.cuh} has the
 * mathematics and the layouts. All variants make the same sums in the same order, so choosing by
 * the number of rows changes no bit.
 */
final class CudaGemm implements AutoCloseable {
    /** Channels of a group, and the number of outliers. */
    static final int GROUP = 128;

    /** Rows that an input's memory is a multiple of. */
    static final int ROWS = 128;

    /** Bytes of a group's codes and scales of 8 rows. */
    private static final int CODE_BYTES = 8 * GROUP + 8 * 4;

    /** Outputs of a tile, and the bytes of its weights and scales in a group. */
    private static final int TILE = 64;

    private static final int RECORD_BYTES = TILE * GROUP / 2 + TILE * 2;
    private static final int OUTLIER_BYTES = TILE * GROUP + TILE * 4;

    private static final int[] TOKENS = CudaPrograms.TOKENS;

    /** Of int4_wgmma: groups on the way. */
    private static final int[] STAGES = {4, 3, 3, 2};

    private static final int WIDE_TOKENS = 128;
    private static final int WIDE_THREADS = 384;

    /** Groups on the way where a thread block has a tile by itself, and where two share one. */
    private static final int WIDE_STAGES = 5;

    private static final int SHARED_STAGES = 7;

    /** What a wave of tiles costs: 64 rows by 64 outputs, 128 by 128, the same shared; measured. */
    private static final double FEW_WAVE = 2;

    private static final double WIDE_WAVE = 7;
    private static final double SHARED_WAVE = 4;

    /** Outputs of the portable kernels' and the bf16 tiles. */
    private static final int NARROW = 16;

    private final DeviceMemory memory;
    private final CudaUploads uploads;
    private final CudaStream stream;
    private final int multiprocessors;
    private final boolean hopper;
    private final Arguments arguments = new Arguments();
    private final CudaModules modules = new CudaModules();
    private final Kernel packInt4;
    private final Kernel packOutliers;
    private final Kernel[] bf16 = new Kernel[TOKENS.length];
    private final Kernel[] int4Experts = new Kernel[TOKENS.length];
    private final Kernel[] bf16Experts = new Kernel[TOKENS.length];

    /** For activations of 4 bits and of 8. */
    private final Products four;

    private final Products eight;

    /**
     * Kernels that make the same sums.
     *
     * @param few by {@link #TOKENS}
     * @param wide 128 rows, a thread block a tile
     * @param shared the same, two thread blocks a tile
     */
    private record Products(Kernel[] few, Kernel wide, Kernel shared) {}

    CudaGemm(CudaContext context, DeviceMemory memory, CudaUploads uploads, CudaStream stream) {
        this.memory = memory;
        this.uploads = uploads;
        this.stream = stream;
        multiprocessors = context.multiprocessors();
        hopper = CudaPrograms.hopper(context);
        CudaModule pack = modules.load("pack_int4");
        packInt4 = pack.kernel("pack_int4");
        packOutliers = pack.kernel("pack_outliers");
        CudaModule portable = modules.load("int4_gemm");
        CudaModule plain = modules.load("bf16_gemm");
        Kernel[] few = new Kernel[TOKENS.length];
        for (int i = 0; i < TOKENS.length; i++) {
            few[i] = portable.kernel("int4_gemm_" + TOKENS[i]);
            int4Experts[i] = portable.kernel("int4_experts_" + TOKENS[i]);
            bf16[i] = plain.kernel("bf16_gemm_" + TOKENS[i]);
            bf16Experts[i] = plain.kernel("bf16_experts_" + TOKENS[i]);
        }
        if (hopper) {
            CudaModule quantized = modules.load("int4_wgmma");
            four = products(quantized, "int4_wgmma_");
            eight = products(quantized, "int4_wgmma_eight_");
        } else {
            Kernel last = few[TOKENS.length - 1];
            four = new Products(few, last, last);
            eight = four;
        }
    }

    private static Products products(CudaModule module, String name) {
        Kernel[] few = new Kernel[TOKENS.length];
        for (int i = 0; i < TOKENS.length; i++) {
            few[i] = module.kernel(name + TOKENS[i], decodeBytes(i));
        }
        return new Products(
                few,
                module.kernel(name + "wide", wideBytes(1)),
                module.kernel(name + "wide_2", wideBytes(2)));
    }

    /** Shared memory of a thread block, decode_bytes of int4_wgmma.cu. */
    private static int decodeBytes(int variant) {
        int tokens = TOKENS[variant];
        int stages = STAGES[variant];
        int stage = tokens / 8 * CODE_BYTES + RECORD_BYTES;
        return 4 * stages * stage + OUTLIER_BYTES + 8 * tokens * TILE * 2 + 8 * (8 * stages + 4);
    }

    /**
     * The same, wide_bytes.
     *
     * @param blocks that share a tile
     */
    private static int wideBytes(int blocks) {
        int stages = blocks == 1 ? WIDE_STAGES : SHARED_STAGES;
        return stages * (WIDE_TOKENS / 8 * CODE_BYTES + 2 * RECORD_BYTES)
                + 2 * OUTLIER_BYTES
                + 2 * WIDE_TOKENS * TILE * 4 / blocks
                + 8 * (2 * stages + 5);
    }

    /** Bytes of an input's codes and scales. */
    static long codeBytes(int capacity, int columns) {
        return (long) columns / GROUP * (capacity / 8) * CODE_BYTES;
    }

    /**
     * @param bias [out] floats on the device, 0 for none
     */
    DeviceInt4 load(LinearWeights.Int4 w, long bias) {
        int tiles = roundUp(w.out(), 2 * TILE) / TILE;
        int groups = w.groups();
        long records = memory.allocate((long) tiles * groups * RECORD_BYTES);
        long outliers = memory.allocate((long) tiles * OUTLIER_BYTES);
        long nibbles = place(w.nibbles());
        long scales = memory.allocate(2L * w.scales().length);
        long codes = place(w.outlierCodes());
        long codeScales = memory.allocate(4L * w.outlierScales().length);
        uploads.copy(scales, w.scales());
        uploads.copy(codeScales, w.outlierScales());
        if (groups > 0) {
            arguments.begin().put(nibbles).put(scales).put(records).put(w.out()).put(groups);
            stream.launch(packInt4, groups, tiles, 1, 256, 0, arguments);
        }
        arguments.begin().put(codes).put(codeScales).put(outliers).put(w.out()).put(0);
        stream.launch(packOutliers, tiles, 1, 1, 512, 0, arguments);
        stream.synchronize();
        for (long raw : new long[] {nibbles, scales, codes, codeScales}) {
            memory.free(raw);
        }
        return new DeviceInt4(w.out(), w.in(), records, outliers, bias);
    }

    private long place(byte[] bytes) {
        long address = memory.allocate(bytes.length);
        uploads.copy(address, bytes);
        return address;
    }

    /**
     * Queues one or more projections of an input.
     *
     * @param count rows
     * @param add whether to add to the outputs
     * @param outputs where each one's [count, out] floats go
     */
    void run(int count, DeviceActivation in, boolean add, long[] outputs, Linear... linears) {
        if (linears[0] instanceof DeviceBf16) {
            narrow(bf16, count, in, add, outputs, linears);
            return;
        }
        Products products = eight(in) ? eight : four;
        if (!hopper) {
            narrow(products.few(), count, in, add, outputs, linears);
            return;
        }
        int tiles = 0;
        int pairs = 0;
        for (Linear linear : linears) {
            tiles += roundUp(linear.out(), TILE) / TILE;
            pairs += roundUp(linear.out(), 2 * TILE) / (2 * TILE);
        }
        int variant = CudaPrograms.tile(count);
        int columns = roundUp(count, TOKENS[variant]) / TOKENS[variant];
        int wideTiles = roundUp(count, WIDE_TOKENS) / WIDE_TOKENS * pairs;
        int couples = multiprocessors / 2;
        // whole waves of tiles, and the rest of them in the cheaper way
        int whole = wideTiles / multiprocessors * multiprocessors;
        double halves = SHARED_WAVE * Math.ceil((wideTiles - whole) / (double) couples);
        boolean share = halves < WIDE_WAVE;
        double few = FEW_WAVE * columns * Math.ceil(tiles / (double) couples);
        double many = WIDE_WAVE * (whole / multiprocessors) + Math.min(halves, WIDE_WAVE);
        if (columns == 1 || few <= many) {
            arguments(count, in, add, outputs, TILE, linears);
            int clusters = Math.min(tiles, couples);
            int bytes = decodeBytes(variant);
            stream.launch(products.few()[variant], 2 * clusters, columns, 1, 640, bytes, arguments);
            return;
        }
        int end = share ? whole : wideTiles;
        if (end > 0) {
            arguments(count, in, add, outputs, 2 * TILE, linears);
            arguments.put(0).put(end);
            int blocks = Math.min(end, multiprocessors);
            stream.launch(products.wide(), blocks, 1, 1, WIDE_THREADS, wideBytes(1), arguments);
        }
        if (end < wideTiles) {
            arguments(count, in, add, outputs, 2 * TILE, linears);
            arguments.put(end).put(wideTiles);
            int blocks = 2 * Math.min(wideTiles - end, couples);
            stream.launch(products.shared(), blocks, 1, 1, WIDE_THREADS, wideBytes(2), arguments);
        }
    }

    private static boolean eight(DeviceActivation in) {
        return in.spec() != null && in.spec().bits() == 8;
    }

    /**
     * Where a step's pairs (a row and an expert it chose) lie on the device, as experts_group
     * leaves them.
     *
     * @param most tiles, at most
     * @param tokens pairs of a tile, at most: one of {@link CudaPrograms#TOKENS}
     * @param tiles the structs ExpertTile
     * @param rows [pairs]
     */
    record Pairs(int most, int tokens, long tiles, long tileCount, long rows) {}

    /**
     * Queues the products of pairs with their experts' weights: one or two projections of each.
     *
     * @param gathered whether pairs read their rows of the input, and not rows of their own
     * @param weights [experts][linears.length][2] addresses
     * @param outputs where each one's [pairs, out] floats go
     * @param linears of any expert
     */
    void run(
            Pairs pairs,
            DeviceActivation in,
            boolean gathered,
            long weights,
            long[] outputs,
            Linear... linears) {
        Kernel[] kernels = linears[0] instanceof DeviceBf16 ? bf16Experts : int4Experts;
        int tiles = arguments(0, in, false, outputs, NARROW, linears);
        arguments.put(0).put(0);
        arguments.put(pairs.tiles()).put(pairs.tileCount());
        arguments.put(gathered ? pairs.rows() : 0L).put(weights);
        int variant = CudaPrograms.tile(pairs.tokens());
        stream.launch(kernels[variant], tiles, pairs.most(), 1, 256, 0, arguments);
    }

    private void narrow(
            Kernel[] kernels,
            int count,
            DeviceActivation in,
            boolean add,
            long[] outputs,
            Linear... linears) {
        int variant = CudaPrograms.tile(count);
        int tiles = arguments(count, in, add, outputs, NARROW, linears);
        int columns = roundUp(count, TOKENS[variant]) / TOKENS[variant];
        stream.launch(kernels[variant], tiles, columns, 1, 256, 0, arguments);
    }

    /**
     * The struct GemmArgs of gemm.cuh, up to what only int4_wgmma_wide has.
     *
     * @return tiles of all outputs
     */
    private int arguments(
            int count,
            DeviceActivation in,
            boolean add,
            long[] outputs,
            int tile,
            Linear... linears) {
        arguments.begin();
        int tiles = 0;
        for (int s = 0; s < 3; s++) {
            if (s < linears.length) {
                put((DeviceLinear) linears[s], in, outputs[s], tiles);
                tiles += roundUp(linears[s].out(), tile) / tile;
            } else {
                arguments.put(0L).put(0L).put(0L).put(0L).put(0).put(0);
            }
        }
        arguments
                .put(in.codes())
                .put(in.planes())
                .put(linears.length)
                .put(count)
                .put(in.columns())
                .put(in.capacity())
                .put(add ? 1 : 0)
                .put(tiles)
                .put(eight(in) ? 1 : 0);
        return tiles;
    }

    /** The struct Slice. */
    private void put(DeviceLinear linear, DeviceActivation in, long output, int firstTile) {
        if (linear instanceof DeviceInt4 != (in.spec() != null) || linear.in() != in.columns()) {
            throw new IllegalArgumentException("a layer was given another layer's input");
        }
        arguments
                .put(linear.weights())
                .put(linear instanceof DeviceInt4 w ? w.outliers() : 0L)
                .put(output)
                .put(linear.bias())
                .put(linear.out())
                .put(firstTile);
    }

    @Override
    public void close() {
        modules.close();
    }
}
