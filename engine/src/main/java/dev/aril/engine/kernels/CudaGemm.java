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
    private final Kernel[] int4 = new Kernel[TOKENS.length];
    private final Kernel[] bf16 = new Kernel[TOKENS.length];
    private final Kernel wide;
    private final Kernel shared;

    CudaGemm(CudaContext context, DeviceMemory memory, CudaUploads uploads, CudaStream stream) {
        this.memory = memory;
        this.uploads = uploads;
        this.stream = stream;
        multiprocessors = context.multiprocessors();
        hopper = CudaPrograms.hopper(context);
        CudaModule pack = modules.load("pack_int4");
        packInt4 = pack.kernel("pack_int4");
        packOutliers = pack.kernel("pack_outliers");
        CudaModule quantized = modules.load(hopper ? "int4_wgmma" : "int4_gemm");
        CudaModule plain = modules.load("bf16_gemm");
        for (int i = 0; i < TOKENS.length; i++) {
            int4[i] =
                    hopper
                            ? quantized.kernel("int4_wgmma_" + TOKENS[i], decodeBytes(i))
                            : quantized.kernel("int4_gemm_" + TOKENS[i]);
            bf16[i] = plain.kernel("bf16_gemm_" + TOKENS[i]);
        }
        Kernel last = int4[TOKENS.length - 1];
        wide = hopper ? quantized.kernel("int4_wgmma_wide", wideBytes(1)) : last;
        shared = hopper ? quantized.kernel("int4_wgmma_wide_2", wideBytes(2)) : last;
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

    DeviceInt4 load(LinearWeights.Int4 w) {
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
        return new DeviceInt4(w.out(), w.in(), records, outliers);
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
        if (!hopper) {
            narrow(int4, count, in, add, outputs, linears);
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
            stream.launch(int4[variant], 2 * clusters, columns, 1, 640, bytes, arguments);
            return;
        }
        int end = share ? whole : wideTiles;
        if (end > 0) {
            arguments(count, in, add, outputs, 2 * TILE, linears);
            arguments.put(0).put(end);
            int blocks = Math.min(end, multiprocessors);
            stream.launch(wide, blocks, 1, 1, WIDE_THREADS, wideBytes(1), arguments);
        }
        if (end < wideTiles) {
            arguments(count, in, add, outputs, 2 * TILE, linears);
            arguments.put(end).put(wideTiles);
            int blocks = 2 * Math.min(wideTiles - end, couples);
            stream.launch(shared, blocks, 1, 1, WIDE_THREADS, wideBytes(2), arguments);
        }
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
                arguments.put(0L).put(0L).put(0L).put(0).put(0);
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
                .put(tiles);
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
                .put(linear.out())
                .put(firstTile);
    }

    @Override
    public void close() {
        modules.close();
    }
}
