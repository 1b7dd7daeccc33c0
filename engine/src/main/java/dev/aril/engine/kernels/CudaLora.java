package dev.aril.engine.kernels;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaModule.Kernel;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import java.nio.ByteBuffer;

/**
 * The adapters' part of a step. {@link #write} makes lists of pieces of work, which the kernels walk;
 * the launches depend on a step's adapters in nothing, so that one graph serves every mix.
 *
 * <p>Not thread safe; belongs to the thread that drives the device.
 */
final class CudaLora {
    /** Columns of x that a part of the shrunk values has. */
    private static final int CHUNK = 1024;

    /** Octets of a projection at most. */
    private static final int OCTETS = CudaLoader.MAX_RANK / LoraPacking.OCTET;

    private static final int GROUPS = LoraGroup.values().length;

    /** LoraItem of lora.cuh. */
    private static final int ITEM = 32;

    /** Bytes before the lists: how many items each has. */
    private static final int COUNTS = 64;

    private static final int THREADS = 256;
    private static final int WARPS = 8;

    /** A warp's most outputs at once: so many times this are a full piece of lora_expand's work. */
    private static final int TILES = 4;

    // dynamic shared memory, as the kernels' heads say
    private static final int SHRINK_NARROW = 2 * 32768 + 2 * 5120 + 16 * 56;
    private static final int SHRINK_WIDE = 3 * 32768;
    private static final int EXPAND = 2 * 32768 + 16 * 64;

    /** Of an octet and a row of lora_expand. */
    private static final int EXPAND_ROW = 32;

    /** Rows of a piece of work: few, where weights decide, and many, where rows do. */
    enum Width {
        NARROW(8, 2),
        WIDE(64, 8);

        final int most;

        /** Octets of a piece of lora_shrink's work. */
        final int octets;

        Width(int most, int octets) {
            this.most = most;
            this.octets = octets;
        }
    }

    /** What a kernel is launched with that no step changes. */
    private final int blocks;

    private final CudaPrograms programs;
    private final DeviceMemory memory;
    private final CudaStream stream;
    private final Arguments arguments = new Arguments();
    private long v;
    private long room;

    /**
     * @param processors of the device
     */
    CudaLora(CudaPrograms programs, DeviceMemory memory, CudaStream stream, int processors) {
        this.programs = programs;
        this.memory = memory;
        this.stream = stream;
        this.blocks = 2 * processors;
    }

    /**
     * Where a step's lists lie, for steps of so many rows at most in items of those rows.
     *
     * @param starts [2 * groups] offsets from the counts: lora_shrink's lists, then lora_expand's
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Layout(Width width, int[] starts, int bytes) {
        /**
         * Room for any step.
         *
         * @param tiles items' worth of rows: the step's rows, unless more is known of its segments
         * @param outs [projections] output widths
         */
        static Layout of(Width width, int tiles, int[] outs) {
            int[] starts = new int[2 * GROUPS];
            int at = COUNTS;
            for (LoraGroup group : LoraGroup.values()) {
                starts[group.ordinal()] = at;
                int octets = group.count * OCTETS;
                at += tiles * ((octets + width.octets - 1) / width.octets) * ITEM;
            }
            for (LoraGroup group : LoraGroup.values()) {
                starts[GROUPS + group.ordinal()] = at;
                for (int p = group.first; p < group.first + group.count; p++) {
                    at += tiles * ((LoraPacking.outputTiles(outs[p]) + WARPS - 1) / WARPS) * ITEM;
                }
            }
            return new Layout(width, starts, at);
        }

        int count(LoraGroup group, boolean expand) {
            return 4 * (group.ordinal() + (expand ? GROUPS : 0));
        }

        int items(LoraGroup group, boolean expand) {
            return starts[group.ordinal() + (expand ? GROUPS : 0)];
        }
    }

    /** Items' worth of rows in a step. */
    static int tiles(Rows step, Width width) {
        int tiles = 0;
        for (Rows.Segment segment : step.segments()) {
            int most = rowsOf((CudaAdapter) segment.adapter(), width);
            tiles += (segment.count() + most - 1) / most;
        }
        return tiles;
    }

    /** Rows of an adapter's items: as many as lora_expand has shared memory for. */
    private static int rowsOf(CudaAdapter adapter, Width width) {
        int octets = 1;
        for (int own : adapter.octets()) {
            octets = Math.max(octets, own);
        }
        int fitting = (CudaPrograms.SHARED_BYTES - EXPAND) / (octets * EXPAND_ROW) / 8 * 8;
        return Math.min(width.most, fitting);
    }

    /** Tiles of outputs of a full piece of lora_expand's work. */
    private static int tilesOf(int octets) {
        return WARPS * (octets <= 2 ? TILES : octets <= 4 ? TILES / 2 : 1);
    }

    /** Where the next item goes, and what all items of a tile share. */
    private static final class Writer {
        final ByteBuffer to;
        final int begin;
        final Layout layout;
        final int[] counts = new int[2 * GROUPS];
        int end;

        Writer(ByteBuffer to, int begin, Layout layout) {
            this.to = to;
            this.begin = begin;
            this.layout = layout;
            this.end = COUNTS;
        }

        void put(int list, long base, long stride, int row, int v, int first, int rows, int bytes) {
            int offset = layout.starts()[list] + ITEM * counts[list]++;
            int at = begin + offset;
            to.putLong(at, base);
            to.putInt(at + 8, (int) (stride / 16));
            to.putInt(at + 12, row);
            to.putInt(at + 16, v);
            to.putInt(at + 20, first);
            to.put(at + 24, (byte) rows);
            to.put(at + 25, (byte) bytes); // octets of the group
            end = Math.max(end, offset + ITEM);
        }

        void more(int list, int before, int octets, int slice, int tiles, boolean int8) {
            int at = begin + layout.starts()[list] + ITEM * (counts[list] - 1);
            to.put(at + 26, (byte) before);
            to.put(at + 27, (byte) octets);
            to.put(at + 28, (byte) slice);
            to.put(at + 29, (byte) tiles);
            to.put(at + 30, (byte) (int8 ? 1 : 0));
            to.put(at + 31, (byte) 0);
        }
    }

    /**
     * Writes a step's lists; makes room for what its rows shrink to.
     *
     * @param to in the machine's byte order
     * @param begin where in it the counts go, a multiple of 16
     * @param columns [groups] input widths
     * @return bytes from begin to the last list's last item
     */
    int write(
            Rows step,
            Layout layout,
            int[] columns,
            ByteBuffer to,
            int begin) {
        Writer writer = new Writer(to, begin, layout);
        long most = 0;
        for (LoraGroup group : LoraGroup.values()) {
            most = Math.max(most, write(step, group, parts(columns[group.ordinal()]), writer));
        }
        for (int i = 0; i < writer.counts.length; i++) {
            to.putInt(begin + 4 * i, writer.counts[i]);
        }
        reserve(most);
        return writer.end;
    }

    static int parts(int columns) {
        return (columns + CHUNK - 1) / CHUNK;
    }

    /** Floats that steps of so many rows shrink to at most. */
    static long floats(int rows, int[] columns) {
        long most = 0;
        for (LoraGroup group : LoraGroup.values()) {
            long parts = parts(columns[group.ordinal()]);
            most = Math.max(most, parts * rows * group.count * CudaLoader.MAX_RANK);
        }
        return most;
    }

    /** Makes room; afterwards no step that needs no more moves it, as a graph demands. */
    void reserve(long floats) {
        if (floats > room) {
            if (room > 0) {
                stream.synchronize(); // nobody reads the old one
                memory.free(v);
                room = 0;
            }
            v = memory.allocate(4 * floats);
            room = floats;
        }
    }

    /** One group's items. Returns floats of v. */
    private long write(
            Rows step, LoraGroup group, int parts, Writer writer) {
        Width width = writer.layout.width();
        int finer = finer(step, group, width);
        long v = 0;
        for (Rows.Segment segment : step.segments()) {
            CudaAdapter adapter = (CudaAdapter) segment.adapter();
            int octets = adapter.octets(group);
            if (octets == 0) {
                continue;
            }
            int most = rowsOf(adapter, width);
            for (int r = 0; r < segment.count(); r += most) {
                int count = Math.min(most, segment.count() - r);
                int row = segment.firstRow() + r;
                shrink(adapter, group, row, count, Math.toIntExact(v), writer);
                expand(adapter, group, row, count, Math.toIntExact(v), finer, writer);
                v += (long) parts * count * octets * LoraPacking.OCTET;
            }
        }
        return v;
    }

    private static void shrink(
            CudaAdapter adapter, LoraGroup group, int row, int count, int v, Writer writer) {
        int list = group.ordinal();
        int octets = adapter.octets(group);
        for (int o = 0; o < octets; o += writer.layout.width().octets) {
            writer.put(list, adapter.a()[list], adapter.stride(), row, v, o, count, octets);
            writer.more(list, 0, 0, 0, 0, adapter.int8());
        }
    }

    private static void expand(
            CudaAdapter adapter,
            LoraGroup group,
            int row,
            int count,
            int v,
            int finer,
            Writer writer) {
        int list = GROUPS + group.ordinal();
        int all = adapter.octets(group);
        int before = 0;
        for (int s = 0; s < group.count; s++) {
            int p = group.first + s;
            int octets = adapter.octets()[p];
            if (octets == 0) {
                continue;
            }
            int tiles = LoraPacking.outputTiles(adapter.outs()[p]);
            int each = Math.max(WARPS, tilesOf(octets) / finer);
            for (int t = 0; t < tiles; t += each) {
                int first = t * LoraPacking.OUTPUTS;
                writer.put(list, adapter.b()[p], adapter.stride(), row, v, first, count, all);
                writer.more(
                        list, before, octets, s, Math.min(each, tiles - t), adapter.int8());
            }
            before += octets;
        }
    }

    /** How many times finer lora_expand's work must be cut to occupy the device: 1, 2 or 4. */
    private int finer(Rows step, LoraGroup group, Width width) {
        int items = 0;
        for (Rows.Segment segment : step.segments()) {
            CudaAdapter adapter = (CudaAdapter) segment.adapter();
            int most = rowsOf(adapter, width);
            int tiles = (segment.count() + most - 1) / most;
            for (int p = group.first; p < group.first + group.count; p++) {
                int octets = adapter.octets()[p];
                if (octets > 0) {
                    int each = tilesOf(octets);
                    items += tiles * ((LoraPacking.outputTiles(adapter.outs()[p]) + each - 1) / each);
                }
            }
        }
        int finer = 1;
        while (finer < TILES && 2 * finer * items <= blocks) {
            finer *= 2;
        }
        return finer;
    }

    /**
     * A group's rows down to their adapters' ranks.
     *
     * @param lists where on the device the counts lie
     * @param x [rows, columns] bf16
     */
    void shrink(Layout layout, long lists, LoraGroup group, int layer, long x, int columns) {
        boolean wide = layout.width() == Width.WIDE;
        arguments
                .begin()
                .put(lists + layout.count(group, false))
                .put(lists + layout.items(group, false))
                .put(x)
                .put(v)
                .put(columns)
                .put(layer)
                .put(group.ordinal())
                .put(0);
        Kernel kernel = wide ? programs.loraShrinkWide : programs.loraShrink;
        stream.launch(
                kernel, blocks, 1, 1, THREADS, wide ? SHRINK_WIDE : SHRINK_NARROW, arguments);
    }

    /**
     * And up to the outputs, to which it adds.
     *
     * @param outputs where each projection's [rows, out] lies
     * @param outs widths
     * @param columns of the group's input
     */
    void expand(
            Layout layout,
            long lists,
            LoraGroup group,
            int layer,
            long[] outputs,
            int[] outs,
            int columns) {
        boolean wide = layout.width() == Width.WIDE;
        arguments
                .begin()
                .put(lists + layout.count(group, true))
                .put(lists + layout.items(group, true))
                .put(v);
        for (int s = 0; s < 3; s++) {
            boolean there = s < group.count;
            arguments.put(there ? outputs[s] : 0L).put(there ? outs[s] : 0).put(0);
        }
        arguments.put(parts(columns)).put(layer).put(group.ordinal()).put(0);
        Kernel kernel = wide ? programs.loraExpandWide : programs.loraExpand;
        int shared = wide ? CudaPrograms.SHARED_BYTES : EXPAND + 8 * OCTETS * EXPAND_ROW;
        stream.launch(kernel, blocks, 1, 1, THREADS, shared, arguments);
    }
}
