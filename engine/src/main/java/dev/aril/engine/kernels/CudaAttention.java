package dev.aril.engine.kernels;

import static dev.aril.engine.kernels.CudaMemory.roundUp;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaContext;
import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaModule.Kernel;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.engine.kernels.CudaMemory.DeviceActivation;
import dev.aril.engine.kernels.CudaMemory.DeviceCache;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;

/**
 * Attention over the pages of a KV cache, and what comes before it: queries and keys turned, keys
 * and values stored. A row has the same bits whether it attends alone, in chunks of its cache, or
 * together with other rows of its sequence; {@code attention.cuh} says how.
 */
final class CudaAttention implements AutoCloseable {
    /** Positions of an item. */
    static final int CHUNK = 256;

    /** Bytes of an item, and of a tile. */
    private static final int ENTRY_BYTES = 16;

    /** Rows of a tile. */
    private static final int TILE = 64;

    /** From so many rows of a span on they attend together. */
    private static final int TOGETHER = 16;

    /** Thread blocks of attention_decode on a multiprocessor. */
    private static final int BLOCKS = 4;

    /** So much that no fifth block fits on compute capability 9.0. */
    private static final int HOPPER_DECODE_BYTES = 56_000;

    /** Up to so many rows are merged by clusters, and from so many on by small thread blocks. */
    private static final int FEW_ROWS = 4;

    private static final int MANY_ROWS = 256;

    private static final double LOG2_E = 1.4426950408889634;

    /**
     * How much of what the lists of a step hold: each row's slots, items (a row and a chunk of its
     * cache) and tiles (rows of a sequence that attend together). The places of a larger step's
     * lists hold a smaller one's.
     *
     * @param tiled rows in tiles
     */
    record Lists(int rows, int items, int tiles, int tiled) {
        /** What a step's rows need. */
        static Lists of(Rows rows) {
            int items = 0;
            int tiles = 0;
            int tiled = 0;
            for (Rows.Span span : rows.spans()) {
                if (together(span)) {
                    tiles += (span.count() + TILE - 1) / TILE;
                    tiled += span.count();
                } else {
                    for (int r = span.firstRow(); r < span.firstRow() + span.count(); r++) {
                        items += rows.positions()[r] / CHUNK + 1;
                    }
                }
            }
            return new Lists(rows.count(), items, tiles, tiled);
        }

        /** Room for a few more: so that few steps differ in what they need. */
        Lists upTo(int most) {
            int items = Math.max(most, Integer.highestOneBit(2 * this.items - 1));
            return new Lists(most, items, tiles, tiled);
        }

        /** Slots that attention leaves for the merge. */
        int slots() {
            return items + tiled;
        }

        int bytes() {
            return tilesAt() + ENTRY_BYTES * tiles;
        }

        /** From the lists' begin, a multiple of 16. */
        private int itemsAt() {
            return roundUp(8 * rows, 16);
        }

        private int tilesAt() {
            return itemsAt() + ENTRY_BYTES * items;
        }
    }

    private final DeviceMemory memory;
    private final CudaStream stream;
    private final Arguments arguments;
    private final Consumer<DeviceActivation> input;
    private final Runnable moving;
    private final boolean hopper;
    private final int multiprocessors;
    private final CudaModules modules = new CudaModules();

    /** Kernels by head size: 64, 128. */
    private final Kernel[] append;

    private final Kernel[] decode;
    private final Kernel[] prefill;
    private final Kernel[] plain;
    private final Kernel[] plainGroups;
    private final Kernel[] merge;
    private final Kernel[] mergeMany;
    private final Kernel[] mergeFew;

    private long parts;
    private long partBytes;

    /**
     * @param arguments what launches are made with
     * @param input puts the struct Input of device.cuh there
     * @param moving told before memory moves that recorded launches name
     */
    CudaAttention(
            CudaContext context,
            DeviceMemory memory,
            CudaStream stream,
            Arguments arguments,
            Consumer<DeviceActivation> input,
            Runnable moving) {
        this.memory = memory;
        this.stream = stream;
        this.arguments = arguments;
        this.input = input;
        this.moving = moving;
        hopper = context.device().major() == 9;
        multiprocessors = context.multiprocessors();
        append = kernels("rope_append", "rope_append_", "", new int[] {0, 0});
        CudaModule attention = modules.load("attention");
        decode = kernels(attention, "attention_decode_", "", decodeBytes(64), decodeBytes(128));
        plain = kernels(attention, "attention_plain_", "_1", 0, 0);
        plainGroups = kernels(attention, "attention_plain_", "_4", 0, 0);
        prefill =
                kernels(
                        "attention_prefill",
                        "attention_prefill_",
                        "",
                        new int[] {prefillBytes(64), prefillBytes(128)});
        CudaModule merging = modules.load("attention_merge");
        int row = CudaPrograms.SHARED_BYTES;
        merge = kernels(merging, "attention_merge_", "", row, row);
        mergeMany = kernels(merging, "attention_merge_many_", "", row, row);
        mergeFew = hopper ? kernels(merging, "attention_merge_cluster_", "", row, row) : mergeMany;
    }

    private Kernel[] kernels(String file, String name, String end, int[] shared) {
        return kernels(modules.load(file), name, end, shared[0], shared[1]);
    }

    private static Kernel[] kernels(
            CudaModule module, String name, String end, int shared64, int shared128) {
        return new Kernel[] {
            kernel(module, name + 64 + end, shared64), kernel(module, name + 128 + end, shared128)
        };
    }

    private static Kernel kernel(CudaModule module, String symbol, int shared) {
        return shared == 0 ? module.kernel(symbol) : module.kernel(symbol, shared);
    }

    /** The struct DecodeShared of attention.cu. */
    private int decodeBytes(int headDim) {
        int pages = CHUNK / Kernels.BLOCK_TOKENS;
        int runs = pages * DeviceCache.runBytes(headDim);
        int bytes = runs + 16 * headDim + 16 * CHUNK + 2 * 64 * pages + 256 * pages + 256;
        bytes = roundUp(bytes + 4 * 256 + 2 * 20 + 4 * 8, 128);
        return hopper ? Math.max(bytes, HOPPER_DECODE_BYTES) : bytes;
    }

    /** The struct PrefillShared of attention_prefill.cu. */
    private int prefillBytes(int headDim) {
        int buffers = hopper ? 2 : 1;
        int pages = TILE / Kernels.BLOCK_TOKENS;
        int operands = buffers * 2 * pages * (headDim / 16) * 512;
        int older = headDim / 8 * 2048;
        int bytes = pages * DeviceCache.runBytes(headDim) + operands + older;
        return roundUp(bytes + buffers * 16 * TILE + 8, 128);
    }

    private static boolean together(Rows.Span span) {
        return span.count() >= TOGETHER;
    }

    /**
     * Writes a step's lists.
     *
     * @param place what there is room for; at least {@link Lists#of}
     * @param at where in the buffer, a multiple of 16
     * @param tables [rows] where in the step's blocks each row's table begins
     * @return items
     */
    static int write(Rows rows, Lists place, ByteBuffer to, int at, int[] tables) {
        int slot = 0;
        int begin = at + place.itemsAt();
        int item = begin;
        int[] together = new int[rows.spans().length];
        int count = 0;
        for (int s = 0; s < rows.spans().length; s++) {
            Rows.Span span = rows.spans()[s];
            if (together(span)) {
                together[count++] = s;
                continue;
            }
            // this step writes from here on
            int fresh = rows.positions()[span.firstRow()] / Kernels.BLOCK_TOKENS;
            for (int r = span.firstRow(); r < span.firstRow() + span.count(); r++) {
                int length = rows.positions()[r] + 1;
                int chunks = (length + CHUNK - 1) / CHUNK;
                to.putInt(at + 8 * r, slot).putInt(at + 8 * r + 4, chunks);
                slot += chunks;
                for (int c = 0; c < chunks; c++) {
                    int positions = Math.min(CHUNK, length - c * CHUNK);
                    int first = c * (CHUNK / Kernels.BLOCK_TOKENS);
                    int pages = roundUp(positions, Kernels.BLOCK_TOKENS) / Kernels.BLOCK_TOKENS;
                    int settled = Math.clamp(fresh - first, 0, pages);
                    to.putInt(item, r).putInt(item + 4, c).putInt(item + 8, tables[r] + first);
                    to.putInt(item + 12, positions | settled << 16);
                    item += ENTRY_BYTES;
                }
            }
        }
        writeTiles(rows, together, count, place, slot, to, at, tables);
        return (item - begin) / ENTRY_BYTES;
    }

    private static void writeTiles(
            Rows rows,
            int[] together,
            int count,
            Lists place,
            int slot,
            ByteBuffer to,
            int at,
            int[] tables) {
        List<int[]> tiles = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Rows.Span span = rows.spans()[together[i]];
            int end = span.firstRow() + span.count();
            for (int r = span.firstRow(); r < end; r++) {
                to.putInt(at + 8 * r, slot++).putInt(at + 8 * r + 4, 1);
            }
            for (int r = span.firstRow(); r < end; r += TILE) {
                int size = Math.min(TILE, end - r);
                tiles.add(new int[] {r, size, rows.positions()[r], tables[r]});
            }
        }
        // the longest first, so that the short ones fill the end
        tiles.sort(Comparator.comparingInt(tile -> -tile[2]));
        int tile = at + place.tilesAt();
        for (int[] fields : tiles) {
            for (int field : fields) {
                to.putInt(tile, field);
                tile += 4;
            }
        }
    }

    /** Makes room for what attention leaves for the merge. */
    private void reserve(int slots, int heads, int headDim) {
        long bytes = 4L * slots * heads * (headDim + 2);
        if (bytes <= partBytes) {
            return;
        }
        moving.run();
        if (partBytes > 0) {
            stream.synchronize(); // nobody reads the old one
            memory.free(parts);
            partBytes = 0;
        }
        parts = memory.allocate(bytes);
        partBytes = bytes;
    }

    /**
     * Where a step's rows lie on the device.
     *
     * @param head the struct StepHead: rows and items
     * @param lists where the lists lie whose places are {@code place}
     */
    record Step(long head, long blocks, long tables, long positions, long lists, Lists place) {}

    /**
     * Turns queries and keys, and stores keys and values.
     *
     * @param turns cosines and sines
     * @param norms of a head of queries and keys, 0 for none
     */
    void append(
            Step step,
            long queries,
            long keys,
            long values,
            long[] turns,
            long[] norms,
            float epsilon,
            DeviceCache kv,
            int layer,
            int heads) {
        int headDim = kv.shape().headDim();
        arguments.begin().put(step.head()).put(queries).put(keys).put(values);
        arguments.put(turns[0]).put(turns[1]).put(norms[0]).put(norms[1]);
        put(step, kv, layer);
        arguments.put(heads).put(scale(headDim)).put(epsilon).put(0);
        int rows = step.place().rows();
        int all = (heads + 2 * kv.shape().heads() + 3) / 4;
        // many rows fill the device; a warp of theirs takes several heads
        int blocks = rows >= MANY_ROWS ? Math.max(1, all / 8) : all;
        launch(append[headDim / 128], blocks, rows, 1, 128, 0);
    }

    private static float scale(int headDim) {
        return (float) (LOG2_E / Math.sqrt(headDim));
    }

    /** The struct Cache of cache.cuh. */
    private void put(Step step, DeviceCache kv, int layer) {
        arguments
                .put(kv.values(layer))
                .put(step.blocks())
                .put(step.tables())
                .put(step.positions())
                .put(kv.shape().heads())
                .put(kv.shape().quantized() ? 1 : 0);
    }

    /**
     * Each row's attention, as the output projection's input.
     *
     * @param window positions that a row sees
     */
    void attend(
            Step step, long queries, DeviceCache kv, int layer, int window, DeviceActivation out) {
        KvShape shape = kv.shape();
        int headDim = shape.headDim();
        int heads = out.columns() / headDim;
        int size = headDim / 128;
        int group = heads / shape.heads();
        Lists place = step.place();
        reserve(place.slots(), heads, headDim);
        long stats = parts + 4L * place.slots() * heads * headDim;
        if (!shape.quantized() || place.items() > 0) {
            arguments.begin().put(step.head()).put(step.lists() + place.itemsAt());
            arguments.put(step.lists()).put(queries).put(parts).put(stats);
            put(step, kv, layer);
            arguments.put(heads).put(scale(headDim)).put(window).put(0);
            if (shape.quantized()) {
                long units = (long) place.items() * shape.heads() * ((group + 7) / 8);
                int grid = (int) Math.min(units, (long) BLOCKS * multiprocessors);
                launch(decode[size], grid, 1, 1, 160, decodeBytes(headDim));
            } else {
                Kernel kernel = group == 1 ? plain[size] : plainGroups[size];
                launch(kernel, shape.heads(), place.rows(), 1, 128, 0);
            }
        }
        if (shape.quantized() && place.tiles() > 0) {
            arguments.begin().put(step.lists() + place.tilesAt()).put(step.lists());
            arguments.put(queries).put(parts).put(stats);
            put(step, kv, layer);
            arguments.put(heads).put(window);
            int columns = Math.min(group, 64);
            int rows = 64 / columns;
            launch(
                    prefill[size],
                    place.tiles(),
                    shape.heads() * ((group + columns - 1) / columns),
                    (TILE + rows - 1) / rows,
                    128,
                    prefillBytes(headDim));
        }
        arguments.begin().put(step.head()).put(step.lists()).put(parts).put(stats);
        arguments.put(step.positions());
        input.accept(out);
        arguments.put(heads).put(shape.quantized() ? 1 : 0).put(window).put(0);
        merge(place.rows(), heads, headDim);
    }

    private void merge(int rows, int heads, int headDim) {
        int size = headDim / 128;
        if (hopper && rows <= FEW_ROWS) {
            int each = (heads + 7) / 8;
            launch(mergeFew[size], 8, rows, 1, 32 * Math.min(8, each), 4 * each * headDim);
        } else if (rows < MANY_ROWS) {
            launch(merge[size], 1, rows, 1, 32 * Math.min(32, heads), 4 * heads * headDim);
        } else {
            launch(mergeMany[size], 1, rows, 1, 32 * Math.min(8, heads), 4 * heads * headDim);
        }
    }

    private void launch(Kernel kernel, int x, int y, int z, int block, int shared) {
        stream.launch(kernel, x, y, z, block, shared, arguments);
    }

    @Override
    public void close() {
        modules.close();
    }
}
