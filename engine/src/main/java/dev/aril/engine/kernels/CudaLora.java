package dev.aril.engine.kernels;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaModule.Kernel;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.engine.kernels.CudaMemory.DeviceActivation;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * The adapters' part of a step. {@link #take} makes lists of pieces of work, which the kernels
 * walk; the launches depend on a step's capacity and in nothing on its adapters, so that one graph
 * serves every mix.
 *
 * <p>Not thread safe; belongs to the thread that drives the device.
 */
final class CudaLora implements AutoCloseable {
    /** Columns of x that a part of the shrunk values has. */
    private static final int CHUNK = 1024;

    /** Octets of a projection at most. */
    private static final int OCTETS = CudaLoader.MAX_RANK / LoraPacking.OCTET;

    private static final int GROUPS = LoraGroup.values().length;

    /** LoraItem of lora.cuh. */
    private static final int ITEM = 32;

    /** Bytes before the lists: how many items each has. */
    private static final int COUNTS = 64;

    /** Rows of the largest steps that the narrow variants compute. The bits are the same. */
    private static final int NARROW_ROWS = 256;

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

    private final CudaPrograms programs;
    private final DeviceMemory memory;
    private final CudaStream stream;
    private final int processors;
    private final Runnable moving;
    private final Arguments arguments = new Arguments();

    /** By width: a long prompt's lists do not move those that graphs were recorded with. */
    private final CudaInlet[] inlets;

    private final int[] outs = new int[LowRank.COUNT];
    private long v;
    private long room;

    private int capacity;
    private int parts;
    private Layout layout = Layout.of(Width.NARROW, 0, outs);
    private Rows.Segment[] written = {};
    private final boolean[] adapted = new boolean[GROUPS];

    /**
     * @param processors of the device
     * @param moving told before memory moves that recorded launches name
     */
    CudaLora(
            CudaPrograms programs,
            DeviceMemory memory,
            CudaStream stream,
            int processors,
            Runnable moving) {
        this.moving = moving;
        this.programs = programs;
        this.memory = memory;
        this.stream = stream;
        this.processors = processors;
        this.inlets =
                new CudaInlet[] {new CudaInlet(memory, stream), new CudaInlet(memory, stream)};
    }

    /**
     * Makes room for any step of so many rows, so that nothing moves afterwards, as a graph
     * demands.
     *
     * @param rows as many as {@link Width#NARROW} is for, at most
     * @param widestIn of the projections
     * @param widestOut of the projections
     */
    void reserve(int rows, int widestIn, int widestOut) {
        Arrays.fill(outs, Math.max(Arrays.stream(outs).max().orElse(0), widestOut));
        reserve((long) parts(widestIn) * rows * 3 * CudaLoader.MAX_RANK);
        inlets[Width.NARROW.ordinal()].open(Layout.of(Width.NARROW, rows, outs).bytes());
        capacity = 0; // what was written lies elsewhere now
    }

    /**
     * Copies a step's lists, unless they are those of the last one.
     *
     * @param most rows the step's kernels are made for
     */
    void take(Rows rows, int most) {
        if (most == capacity && same(rows.segments(), written)) {
            return;
        }
        capacity = most;
        Width width = capacity <= NARROW_ROWS ? Width.NARROW : Width.WIDE;
        Arrays.fill(adapted, false);
        for (Rows.Segment segment : rows.segments()) {
            CudaAdapter adapter = (CudaAdapter) segment.adapter();
            for (int p = 0; p < outs.length; p++) {
                outs[p] = Math.max(outs[p], adapter.outs()[p]);
            }
            for (LoraGroup group : LoraGroup.values()) {
                adapted[group.ordinal()] |= adapter.octets(group) > 0;
            }
        }
        int tiles = width == Width.NARROW ? capacity : tiles(rows, width);
        layout = Layout.of(width, tiles, outs);
        CudaInlet inlet = inlets[width.ordinal()];
        inlet.send(write(rows, layout, inlet.open(layout.bytes()), 0));
        written = rows.segments();
    }

    private static boolean same(Rows.Segment[] one, Rows.Segment[] other) {
        if (one.length != other.length) {
            return false;
        }
        for (int i = 0; i < one.length; i++) {
            if (one[i].firstRow() != other[i].firstRow()
                    || one[i].count() != other[i].count()
                    || one[i].adapter() != other[i].adapter()) {
                return false;
            }
        }
        return true;
    }

    /**
     * Whether any row of the latest step has an adapter of the group that begins with a projection.
     * Of no use while a graph is recorded, which serves every step.
     */
    boolean adapted(int projection) {
        return adapted[LoraGroup.of(projection).ordinal()];
    }

    @Override
    public void close() {
        for (CudaInlet inlet : inlets) {
            inlet.close();
        }
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
        int octets = Math.max(1, adapter.mostOctets());
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
     * @return bytes from begin to the last list's last item
     */
    private int write(Rows step, Layout layout, ByteBuffer to, int begin) {
        Writer writer = new Writer(to, begin, layout);
        long most = 0;
        for (LoraGroup group : LoraGroup.values()) {
            most = Math.max(most, write(step, group, writer));
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

    private void reserve(long floats) {
        if (floats > room) {
            moving.run();
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
    private long write(Rows step, LoraGroup group, Writer writer) {
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
                v +=
                        (long) parts(adapter.ins()[group.ordinal()])
                                * count
                                * octets
                                * LoraPacking.OCTET;
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
                writer.more(list, before, octets, s, Math.min(each, tiles - t), adapter.int8());
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
                    items +=
                            tiles
                                    * ((LoraPacking.outputTiles(adapter.outs()[p]) + each - 1)
                                            / each);
                }
            }
        }
        int finer = 1;
        while (finer < TILES && 2 * finer * items <= 2 * processors) {
            finer *= 2;
        }
        return finer;
    }

    /** Thread blocks: by a step's capacity alone. Idle ones cost a little. */
    private int blocks() {
        return processors * (layout.width() == Width.WIDE ? 2 : capacity < 8 ? 1 : 3);
    }

    /**
     * What {@link #shrink} and {@link #expand} put first: where the group's list is, and its
     * length.
     */
    private void begin(LoraGroup group, boolean expand) {
        long lists = inlets[layout.width().ordinal()].address();
        arguments
                .begin()
                .put(lists + layout.count(group, expand))
                .put(lists + layout.items(group, expand));
    }

    /**
     * A group's rows down to their adapters' ranks.
     *
     * @param projection the group's first
     * @param count projections of the group
     */
    void shrink(CudaStep step, DeviceActivation in, int layer, int projection, int count) {
        LoraGroup group = LoraGroup.of(projection);
        if (count != group.count || step.capacity() != capacity) {
            throw new IllegalArgumentException("not this step's group");
        }
        boolean wide = layout.width() == Width.WIDE;
        begin(group, false);
        arguments.put(in.plain()).put(v).put(in.columns()).put(layer).put(group.ordinal()).put(0);
        Kernel kernel = wide ? programs.loraShrinkWide : programs.loraShrink;
        int shared = wide ? SHRINK_WIDE : SHRINK_NARROW;
        parts = parts(in.columns());
        stream.launch(kernel, blocks(), 1, 1, THREADS, shared, arguments);
    }

    /**
     * And up to the outputs, to which it adds. Follows the same group's shrink.
     *
     * @param outputs where each projection's [rows, out] lies
     * @param widths the outs
     */
    void expand(CudaStep step, int layer, int projection, long[] outputs, int[] widths) {
        LoraGroup group = LoraGroup.of(projection);
        if (step.capacity() != capacity) {
            throw new IllegalArgumentException("not this step's group");
        }
        boolean wide = layout.width() == Width.WIDE;
        begin(group, true);
        arguments.put(v);
        for (int s = 0; s < 3; s++) {
            boolean there = s < group.count;
            arguments.put(there ? outputs[s] : 0L).put(there ? widths[s] : 0).put(0);
        }
        arguments.put(parts).put(layer).put(group.ordinal()).put(0);
        Kernel kernel = wide ? programs.loraExpandWide : programs.loraExpand;
        int shared = wide ? CudaPrograms.SHARED_BYTES : EXPAND + 8 * OCTETS * EXPAND_ROW;
        stream.launch(kernel, blocks(), 1, 1, THREADS, shared, arguments);
    }
}
