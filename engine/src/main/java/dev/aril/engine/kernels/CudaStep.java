package dev.aril.engine.kernels;

import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.engine.kernels.CudaAttention.Lists;
import dev.aril.engine.kernels.CudaMemory.DeviceAdapter;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** A step's rows on the device: one copy a step of all that its kernels look up. */
final class CudaStep implements AutoCloseable {
    /** Rows of one adapter that a thread block of the adapters' kernels takes. */
    private static final int TILE_ROWS = 8;

    private final CudaInlet inlet;
    private @Nullable Rows rows;

    private int tileCount;
    private int tiles;
    private int tokens;
    private int positions;
    private int tables;
    private int blocks;
    private int lists;
    private Lists place = new Lists(0, 0, 0, 0);

    CudaStep(DeviceMemory memory, CudaStream stream) {
        inlet = new CudaInlet(memory, stream);
    }

    /** Copies the rows unless they are those of the last call. */
    void take(Rows next) {
        if (next == rows) {
            return;
        }
        layout(next);
        int bytes = lists + place.bytes();
        write(next, inlet.open(bytes));
        inlet.send(bytes);
        rows = next;
    }

    /** Blocks a span's rows look into; its table may hold more. */
    private static int used(Rows rows, Rows.Span span) {
        int last = rows.positions()[span.firstRow() + span.count() - 1];
        return last / Kernels.BLOCK_TOKENS + 1;
    }

    private void layout(Rows next) {
        int count = next.count();
        tileCount = 0;
        for (Rows.Segment segment : next.segments()) {
            tileCount += (segment.count() + TILE_ROWS - 1) / TILE_ROWS;
        }
        tiles = 16;
        tokens = tiles + 16 * tileCount;
        positions = tokens + 4 * count;
        tables = positions + 4 * count;
        blocks = tables + 4 * count;
        int end = blocks;
        for (Rows.Span span : next.spans()) {
            end += 4 * used(next, span);
        }
        lists = CudaMemory.roundUp(end, 16);
        place = Lists.of(next);
    }

    private void write(Rows next, ByteBuffer to) {
        to.putInt(0, next.count()).putInt(4, place.items()).putInt(8, tileCount).putInt(12, 0);
        for (int r = 0; r < next.count(); r++) {
            to.putInt(tokens + 4 * r, next.tokens()[r]);
            to.putInt(positions + 4 * r, next.positions()[r]);
        }
        int table = 0;
        int[] begins = new int[next.count()];
        for (Rows.Span span : next.spans()) {
            for (int r = span.firstRow(); r < span.firstRow() + span.count(); r++) {
                to.putInt(tables + 4 * r, table);
                begins[r] = table;
            }
            int used = used(next, span);
            for (int b = 0; b < used; b++) {
                to.putInt(blocks + 4 * table++, span.blocks()[b]);
            }
        }
        CudaAttention.write(next, place, to, lists, begins);
        int tile = tiles;
        for (Rows.Segment segment : next.segments()) {
            long pairs = ((DeviceAdapter) segment.adapter()).pairs();
            for (int r = 0; r < segment.count(); r += TILE_ROWS) {
                to.putLong(tile, pairs);
                to.putInt(tile + 8, segment.firstRow() + r);
                to.putInt(tile + 12, Math.min(TILE_ROWS, segment.count() - r));
                tile += 16;
            }
        }
    }

    int tileCount() {
        return tileCount;
    }

    /** Where attention's kernels find the step. */
    CudaAttention.Step attention() {
        return new CudaAttention.Step(
                head(),
                inlet.address() + blocks,
                inlet.address() + tables,
                positions(),
                inlet.address() + lists,
                place);
    }

    /** The struct StepHead of device.cuh. */
    long head() {
        return inlet.address();
    }

    /** [tileCount] adapter, first row, rows. */
    long tiles() {
        return inlet.address() + tiles;
    }

    long tokens() {
        return inlet.address() + tokens;
    }

    long positions() {
        return inlet.address() + positions;
    }

    @Override
    public void close() {
        inlet.close();
    }
}
