package dev.aril.engine.kernels;

import dev.aril.cuda.DeviceMemory;
import dev.aril.engine.kernels.CudaMemory.DeviceAdapter;
import org.jspecify.annotations.Nullable;

/** Puts an adapter's matrices into one piece of device memory. Safe for any number of threads. */
final class CudaLoader {
    /** Ranks there is room for in a step's shrunk inputs. */
    static final int MAX_RANK = 256;

    private static final int ALIGNMENT = 16;

    /** Bytes of an entry of the table: a, b, rank, stride. */
    private static final int ENTRY = 24;

    private final DeviceMemory memory;
    private final CudaUploads uploads;

    CudaLoader(DeviceMemory memory, CudaUploads uploads) {
        this.memory = memory;
        this.uploads = uploads;
    }

    DeviceAdapter load(@Nullable LowRank[][] adapter) {
        int[][] strides = new int[adapter.length][LowRank.COUNT];
        long bytes = table(adapter);
        for (int l = 0; l < adapter.length; l++) {
            for (int p = 0; p < LowRank.COUNT; p++) {
                LowRank pair = adapter[l][p];
                if (pair != null) {
                    check(pair);
                    strides[l][p] = CudaMemory.roundUp(pair.rank(), 4);
                    bytes += align(4L * pair.a().length);
                    bytes += align(4L * pair.out() * strides[l][p]);
                }
            }
        }
        long address = memory.allocate(bytes);
        try {
            write(adapter, strides, address);
        } catch (RuntimeException e) {
            memory.free(address);
            throw e;
        }
        return new DeviceAdapter(address, address, strides, bytes);
    }

    private static void check(LowRank pair) {
        if (pair.rank() > MAX_RANK) {
            throw new IllegalArgumentException(
                    "an adapter's rank may be at most " + MAX_RANK + ", not " + pair.rank());
        }
        if (pair.in() % 4 != 0) {
            throw new IllegalArgumentException(
                    "an adapter's input width must be a multiple of 4, not " + pair.in());
        }
    }

    private void write(@Nullable LowRank[][] adapter, int[][] strides, long address) {
        long[] table = new long[adapter.length * LowRank.COUNT * ENTRY / 8];
        long at = address + table(adapter);
        for (int l = 0; l < adapter.length; l++) {
            for (int p = 0; p < LowRank.COUNT; p++) {
                LowRank pair = adapter[l][p];
                if (pair == null) {
                    continue;
                }
                int stride = strides[l][p];
                int entry = (l * LowRank.COUNT + p) * (ENTRY / 8);
                table[entry] = at;
                uploads.copy(at, pair.a());
                at += align(4L * pair.a().length);
                table[entry + 1] = at;
                uploads.copy(at, padded(pair, stride));
                at += align(4L * pair.out() * stride);
                table[entry + 2] = (long) stride << 32 | pair.rank(); // two little-endian ints
            }
        }
        uploads.copy(address, table);
    }

    /** b with rows of the stride. */
    private static float[] padded(LowRank pair, int stride) {
        float[] b = new float[pair.out() * stride];
        for (int n = 0; n < pair.out(); n++) {
            System.arraycopy(pair.b(), n * pair.rank(), b, n * stride, pair.rank());
        }
        return b;
    }

    private static long table(@Nullable LowRank[][] adapter) {
        return align((long) adapter.length * LowRank.COUNT * ENTRY);
    }

    private static long align(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
}
