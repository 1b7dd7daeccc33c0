package dev.aril.engine.kernels;

import static dev.aril.engine.kernels.CudaMemory.roundUp;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaContext;
import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaModule.Kernel;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.engine.kernels.CudaMemory.DeviceHead;

/**
 * The output head: the final norm's rows in parts that make products exact, times weights in INT8
 * with a scale a row or in bf16. {@code head.cuh} has the mathematics and the layouts.
 */
final class CudaHead implements AutoCloseable {
    private static final int[] TOKENS = CudaPrograms.TOKENS;

    /** Outputs of a tile, and bytes of a row of it that are fetched at once. */
    private static final int TILE = 64;

    private static final int SLAB_BYTES = 128;

    /** Tiles a thread block takes at once. */
    private static final int TILES = 4;

    /** Shared memory of a thread block on compute capability 9.0. */
    private static final int SHARED_BYTES = 227 << 10;

    private static final int BARRIER_BYTES = 128;

    /** Stages of the portable kernel. */
    private static final int STAGES = 3;

    /** Bytes of raw weights that are packed at once. */
    private static final int CHUNK_BYTES = 64 << 20;

    /** The kernels for one format and row tile. */
    private record Tile(int tokens, Kernel input, Kernel product, int shared) {}

    private final DeviceMemory memory;
    private final CudaUploads uploads;
    private final CudaStream stream;
    private final boolean hopper;
    private final int multiprocessors;
    private final Arguments arguments = new Arguments();
    private final CudaModules modules = new CudaModules();
    private final Kernel pack;
    private final Tile[] narrow = new Tile[TOKENS.length];
    private final Tile[] wide = new Tile[TOKENS.length];

    /** Rows there is memory for, of so many bytes a row. */
    private int capacity;

    private int rowBytes;
    private long parts;
    private long scales;

    CudaHead(CudaContext context, DeviceMemory memory, CudaUploads uploads, CudaStream stream) {
        this.memory = memory;
        this.uploads = uploads;
        this.stream = stream;
        hopper = CudaPrograms.hopper(context);
        multiprocessors = context.multiprocessors();
        pack = modules.load("pack_head").kernel("pack_head");
        CudaModule input = modules.load("head_input");
        CudaModule product = modules.load(hopper ? "head_wgmma" : "head_mma");
        for (int i = 0; i < TOKENS.length; i++) {
            narrow[i] = tile(input, product, "int8_", 2, TOKENS[i]);
            wide[i] = tile(input, product, "bf16_", 3, TOKENS[i]);
        }
    }

    private Tile tile(CudaModule input, CudaModule product, String format, int parts, int tokens) {
        int partBytes = parts * tokens * SLAB_BYTES;
        int stage = TILES * TILE * SLAB_BYTES + partBytes;
        int shared =
                hopper
                        ? (SHARED_BYTES - BARRIER_BYTES) / stage * stage + BARRIER_BYTES
                        : STAGES * partBytes;
        String name = (hopper ? "head_wgmma_" : "head_") + format + tokens;
        return new Tile(
                tokens,
                input.kernel("head_input_" + format + tokens, CudaPrograms.SHARED_BYTES),
                product.kernel(name, shared),
                shared);
    }

    /**
     * Puts a head's weights on the device.
     *
     * @param eightBit INT8 with a scale a row, or bf16 as they are
     */
    DeviceHead load(LinearWeights.Bf16 w, boolean eightBit) {
        if (4L * w.in() > CudaPrograms.SHARED_BYTES || w.in() % 8 != 0) {
            throw new IllegalArgumentException(
                    "the output head's input must be a multiple of 8 and at most "
                            + CudaPrograms.SHARED_BYTES / 4
                            + " wide on the GPU, not "
                            + w.in());
        }
        int slabs = roundUp(w.in() * (eightBit ? 1 : 2), SLAB_BYTES) / SLAB_BYTES;
        long bytes = (long) roundUp(w.out(), TILE) * slabs * SLAB_BYTES;
        long weights = memory.allocate(bytes);
        long rowScales = eightBit ? memory.allocate(4L * w.out()) : 0;
        uploads.clear(weights, bytes);
        int most = Math.min(w.out(), Math.max(1, CHUNK_BYTES / (2 * w.in())));
        long raw = memory.allocate(2L * most * w.in());
        for (int first = 0; first < w.out(); first += most) {
            int count = Math.min(most, w.out() - first);
            uploads.copy(raw, w.bits(), first * w.in(), count * w.in());
            arguments
                    .begin()
                    .put(raw)
                    .put(weights)
                    .put(rowScales)
                    .put(first)
                    .put(w.in())
                    .put(slabs)
                    .put(0);
            stream.launch(pack, count, 1, 1, 256, 0, arguments);
            stream.synchronize();
        }
        memory.free(raw);
        return new DeviceHead(w.out(), w.in(), weights, rowScales, slabs);
    }

    /** Whether so many sampled rows take no more memory. */
    boolean hasRoom(DeviceHead head, int rows) {
        return roundUp(rows, TOKENS[TOKENS.length - 1]) <= capacity
                && head.slabs() * SLAB_BYTES * head.parts() <= rowBytes;
    }

    /**
     * Makes room for so many sampled rows. What was captured into a graph before is invalid
     * afterwards if there was not room already.
     */
    void reserve(DeviceHead head, int rows) {
        if (hasRoom(head, rows)) {
            return;
        }
        int bytes = head.slabs() * SLAB_BYTES * head.parts();
        int padded = roundUp(rows, TOKENS[TOKENS.length - 1]);
        if (capacity > 0) {
            stream.synchronize(); // nobody reads the old ones
            memory.free(parts);
            memory.free(scales);
        }
        capacity = Math.max(capacity, padded);
        rowBytes = Math.max(rowBytes, bytes);
        parts = memory.allocate((long) capacity * rowBytes);
        scales = memory.allocate(4L * capacity);
    }

    /**
     * Queues the final norm and the head.
     *
     * @param step the struct StepHead; its samples are computed
     * @param rows at least as many
     * @param picked [samples] ints: which rows of hidden
     * @param hidden [*, in] floats
     * @param norm [in] floats, the final norm's weight
     * @param logits [rows, out] floats
     */
    void run(
            long step,
            int rows,
            long picked,
            long hidden,
            long norm,
            float epsilon,
            DeviceHead head,
            long logits) {
        reserve(head, rows);
        Tile tile = tile(head, rows);
        arguments
                .begin()
                .put(step)
                .put(hidden)
                .put(norm)
                .put(picked)
                .put(parts)
                .put(scales)
                .put(head.in())
                .put(head.slabs())
                .put(epsilon)
                .put(0);
        stream.launch(tile.input, rows, 1, 1, 512, 4 * head.in(), arguments);
        arguments
                .begin()
                .put(step)
                .put(head.weights())
                .put(head.scales())
                .put(parts)
                .put(scales)
                .put(logits)
                .put(head.out())
                .put(head.slabs());
        int blocks = roundUp(head.out(), TILES * TILE) / (TILES * TILE);
        stream.launch(
                tile.product,
                hopper ? Math.min(blocks, multiprocessors) : blocks,
                roundUp(rows, tile.tokens) / tile.tokens,
                1,
                hopper ? TILES * 128 + 32 : 256,
                tile.shared,
                arguments);
    }

    /** The narrowest tile that holds so many rows, or the widest. */
    private Tile tile(DeviceHead head, int rows) {
        return (head.scales() == 0 ? wide : narrow)[CudaPrograms.tile(rows)];
    }

    @Override
    public void close() {
        modules.close();
    }
}
