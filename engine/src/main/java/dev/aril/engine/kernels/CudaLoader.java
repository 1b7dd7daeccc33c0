package dev.aril.engine.kernels;

import dev.aril.cuda.DeviceMemory;
import dev.aril.engine.kernels.CudaUploads.Piece;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Puts an adapter's matrices into one piece of device memory. Safe for any number of threads. */
final class CudaLoader {
    private static final Logger LOG = LoggerFactory.getLogger(CudaLoader.class);

    /** What a row of v has room for: 32 octets. */
    static final int MAX_RANK = 256;

    /** So that a warp's 512 bytes never straddle more lines than they fill. */
    private static final int ALIGNMENT = 256;

    /** Bytes of an entry of the table, LoraGroup of lora.cuh: a, three b, three octets. */
    private static final int ENTRY = 40;

    private final DeviceMemory memory;
    private final CudaUploads uploads;
    private final AdapterPrecision precision;

    CudaLoader(DeviceMemory memory, CudaUploads uploads, AdapterPrecision precision) {
        this.memory = memory;
        this.uploads = uploads;
        this.precision = precision;
    }

    CudaAdapter load(@Nullable LowRank[][] adapter) {
        for (@Nullable LowRank[] layer : adapter) {
            check(layer);
        }
        @Nullable Int8Pair[][] coded = precision == AdapterPrecision.INT8 ? coded(adapter) : null;
        Layout layout = new Layout(adapter, coded);
        long address = memory.allocate(Math.max(1, layout.bytes));
        try {
            layout.place(address);
            uploads.copy(address, layout.pieces);
        } catch (RuntimeException e) {
            memory.free(address);
            throw e;
        }
        return layout.adapter(address);
    }

    private static void check(@Nullable LowRank[] layer) {
        for (LoraGroup group : LoraGroup.values()) {
            int in = 0;
            for (int p = group.first; p < group.first + group.count; p++) {
                LowRank pair = layer[p];
                if (pair == null) {
                    continue;
                }
                require(pair.rank() <= MAX_RANK, "rank may be at most 256", pair.rank());
                require(pair.in() % 32 == 0, "input width must be a multiple of 32", pair.in());
                require(pair.out() % 4 == 0, "output width must be a multiple of 4", pair.out());
                require(in == 0 || in == pair.in(), "input widths differ in a group", pair.in());
                in = pair.in();
            }
        }
    }

    private static void require(boolean met, String what, int value) {
        if (!met) {
            throw new IllegalArgumentException("an adapter's " + what + ": " + value);
        }
    }

    /** The adapter in INT8; null if that would change it too much. */
    private static @Nullable Int8Pair @Nullable [][] coded(@Nullable LowRank[][] adapter) {
        @Nullable Int8Pair[][] coded = new Int8Pair[adapter.length][LowRank.COUNT];
        double worst =
                IntStream.range(0, adapter.length * LowRank.COUNT)
                        .parallel()
                        .mapToDouble(i -> {
                            int l = i / LowRank.COUNT;
                            int p = i % LowRank.COUNT;
                            LowRank pair = adapter[l][p];
                            if (pair == null) {
                                return 0;
                            }
                            Int8Pair one = Int8Pair.of(pair);
                            coded[l][p] = one;
                            return one.error();
                        })
                        .max()
                        .orElse(0);
        if (worst > AdapterPrecision.INT8_TOLERANCE) {
            LOG.warn("adapter stays in bf16: INT8 would change an update by {} of it", worst);
            return null;
        }
        return coded;
    }

    /** What lies where, from the piece's begin. */
    private static final class Layout {
        final @Nullable LowRank[][] adapter;
        final @Nullable Int8Pair @Nullable [][] coded;
        final long[][] a;
        final long[][] b;
        final boolean uniform;
        final long stride;
        final List<Piece> pieces = new ArrayList<>();
        long bytes;

        Layout(@Nullable LowRank[][] adapter, @Nullable Int8Pair @Nullable [][] coded) {
            this.adapter = adapter;
            this.coded = coded;
            a = new long[adapter.length][LoraGroup.values().length];
            b = new long[adapter.length][LowRank.COUNT];
            uniform =
                    Arrays.stream(adapter)
                            .allMatch(layer -> Arrays.equals(octets(layer), octets(adapter[0])));
            bytes = uniform ? 0 : align((long) adapter.length * LoraGroup.values().length * ENTRY);
            long first = bytes;
            for (int l = 0; l < adapter.length; l++) {
                for (LoraGroup group : LoraGroup.values()) {
                    lay(l, group);
                }
            }
            stride = uniform && adapter.length > 0 ? (bytes - first) / adapter.length : 0;
        }

        private static int[] octets(@Nullable LowRank[] layer) {
            return Arrays.stream(layer)
                    .mapToInt(pair -> pair == null ? 0 : LoraPacking.octets(pair.rank()))
                    .toArray();
        }

        private static long align(long bytes) {
            return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }

        private @Nullable Int8Pair coded(int l, int p) {
            return coded == null ? null : coded[l][p];
        }

        private void lay(int l, LoraGroup group) {
            a[l][group.ordinal()] = bytes;
            int end = group.first + group.count;
            for (int p = group.first; p < end; p++) {
                LowRank pair = adapter[l][p];
                if (pair != null) {
                    layA(pair, coded(l, p));
                }
            }
            for (int p = group.first; p < end; p++) {
                Int8Pair pair = coded(l, p);
                if (pair != null) {
                    float[] scales = LoraPacking.aScales(pair);
                    put(4 * scales.length, to -> to.asFloatBuffer().put(scales));
                }
            }
            bytes = align(bytes);
            for (int p = group.first; p < end; p++) {
                LowRank pair = adapter[l][p];
                if (pair != null) {
                    b[l][p] = bytes;
                    layB(pair, coded(l, p));
                    bytes = align(bytes);
                }
            }
        }

        private void put(int size, CudaUploads.Content content) {
            pieces.add(new Piece(bytes, size, content));
            bytes += size;
        }

        private void layA(LowRank pair, @Nullable Int8Pair int8) {
            int octets = LoraPacking.octets(pair.rank());
            int size = LoraPacking.OCTET * pair.in();
            for (int o = 0; o < octets; o++) {
                int octet = o;
                if (int8 == null) {
                    put(2 * size, to -> to.asShortBuffer().put(LoraPacking.a(pair, octet)));
                } else {
                    put(size, to -> to.put(LoraPacking.a(int8, octet)));
                }
            }
        }

        private void layB(LowRank pair, @Nullable Int8Pair int8) {
            int tile = LoraPacking.octets(pair.rank()) * LoraPacking.TILE;
            int tiles = LoraPacking.outputTiles(pair.out());
            int most = Math.max(1, (128 << 10) / tile); // about as much as an octet of a
            for (int first = 0; first < tiles; first += most) {
                int from = first;
                int end = Math.min(tiles, first + most);
                int size = (end - first) * tile;
                if (int8 == null) {
                    put(2 * size, to -> to.asShortBuffer().put(LoraPacking.b(pair, from, end)));
                } else {
                    put(size, to -> to.put(LoraPacking.b(int8, from, end)));
                }
            }
            if (int8 != null) {
                short[] scales = LoraPacking.bScales(int8);
                put(2 * scales.length, to -> to.asShortBuffer().put(scales));
            }
        }

        /** Adds the table, where there must be one. */
        void place(long address) {
            if (uniform) {
                return;
            }
            int groups = LoraGroup.values().length;
            pieces.add(
                    new Piece(
                            0,
                            adapter.length * groups * ENTRY,
                            to -> {
                                for (int l = 0; l < adapter.length; l++) {
                                    for (LoraGroup group : LoraGroup.values()) {
                                        int at = (l * groups + group.ordinal()) * ENTRY;
                                        entry(l, group, address, to, at);
                                    }
                                }
                            }));
        }

        private void entry(int l, LoraGroup group, long address, ByteBuffer to, int at) {
            to.putLong(at, address + a[l][group.ordinal()]);
            int[] octets = octets(adapter[l]);
            for (int s = 0; s < 3; s++) {
                boolean there = s < group.count;
                to.putLong(at + 8 + 8 * s, there ? address + b[l][group.first + s] : 0);
                to.put(at + 32 + s, there ? (byte) octets[group.first + s] : 0);
            }
        }

        CudaAdapter adapter(long address) {
            long[] as = new long[LoraGroup.values().length];
            long[] bs = new long[LowRank.COUNT];
            int[] octets = new int[LowRank.COUNT];
            int[] outs = new int[LowRank.COUNT];
            int[] ins = new int[LoraGroup.values().length];
            for (@Nullable LowRank[] layer : adapter) {
                int[] own = octets(layer);
                for (int p = 0; p < LowRank.COUNT; p++) {
                    octets[p] = Math.max(octets[p], own[p]);
                    LowRank pair = layer[p];
                    outs[p] = pair == null ? outs[p] : pair.out();
                }
                for (LoraGroup group : LoraGroup.values()) {
                    for (int p = group.first; p < group.first + group.count; p++) {
                        LowRank pair = layer[p];
                        ins[group.ordinal()] = pair == null ? ins[group.ordinal()] : pair.in();
                    }
                }
            }
            Arrays.setAll(as, g -> address + (uniform && adapter.length > 0 ? a[0][g] : 0));
            Arrays.setAll(bs, p -> address + (uniform && adapter.length > 0 ? b[0][p] : 0));
            return new CudaAdapter(
                    address, bytes, coded != null, uniform ? stride : 0, as, bs, octets, outs, ins);
        }
    }
}
