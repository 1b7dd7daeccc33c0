package dev.aril.engine.kernels;

import static dev.aril.engine.kernels.CudaMemory.roundUp;

import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.engine.kernels.CudaAttention.Lists;
import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All that a step's kernels look up, in one copy. Where it lies depends on the step's capacity
 * alone, and a kernel reads from it how much there is: so one recorded graph serves every step of a
 * capacity.
 */
final class CudaStep implements AutoCloseable {
    /** The struct StepHead: rows, items, an unused one, samples. */
    private static final int HEAD_BYTES = 16;

    private static final int ITEMS = 4;
    private static final int SAMPLES = 12;

    /** Lists begin at multiples of this. */
    private static final int ALIGNMENT = 16;

    private static final int[] NONE = {};

    private final CudaInlet inlet;
    private final CudaSampler sampler;
    private final CudaLora lora;
    private @Nullable Rows rows;
    private int[] sampled = NONE;
    private List<Draw> draws = List.of();
    private int capacity;

    private int tokens;
    private int positions;
    private int tables;
    private int picked;
    private int parameters;
    private int lists;
    private int blocks;
    private Lists place = new Lists(0, 0, 0, 0);

    /**
     * @param lora keeps its lists in memory of its own, because they change less often
     */
    CudaStep(DeviceMemory memory, CudaStream stream, CudaSampler sampler, CudaLora lora) {
        inlet = new CudaInlet(memory, stream);
        this.sampler = sampler;
        this.lora = lora;
    }

    /** Copies the rows alone, unless they are those of the last call. */
    void take(Rows next) {
        if (next != rows) {
            take(next, Lists.of(next), NONE, List.of());
        }
    }

    /**
     * Copies a step.
     *
     * @param most what the kernels' grids are made for, at least what there is
     * @param wanted the rows whose logits are wanted
     * @param draws how their ids are chosen
     */
    void take(Rows next, Lists most, int[] wanted, List<Draw> draws) {
        layout(most);
        int end = blocks;
        for (Rows.Span span : next.spans()) {
            end += 4 * used(next, span);
        }
        ByteBuffer to = inlet.open(end);
        int[] begins = new int[next.count()];
        write(next, to, begins);
        to.putInt(0, next.count());
        to.putInt(ITEMS, CudaAttention.write(next, most, to, lists, begins));
        for (int i = 0; i < wanted.length; i++) {
            to.putInt(picked + 4 * i, wanted[i]);
        }
        sampler.write(to, parameters, draws);
        lora.take(next, most.rows());
        to.putInt(SAMPLES, wanted.length);
        inlet.send(end);
        rows = next;
        sampled = wanted;
        this.draws = draws;
    }

    private void layout(Lists room) {
        int most = room.rows();
        place = room;
        capacity = most;
        tokens = HEAD_BYTES;
        positions = tokens + 4 * most;
        tables = positions + 4 * most;
        picked = tables + 4 * most;
        parameters = roundUp(picked + 4 * most, ALIGNMENT);
        lists = roundUp(parameters + CudaSampler.bytes(most), ALIGNMENT);
        blocks = roundUp(lists + room.bytes(), ALIGNMENT);
    }

    /** Blocks a span's rows look into; its table may hold more. */
    private static int used(Rows rows, Rows.Span span) {
        int last = rows.positions()[span.firstRow() + span.count() - 1];
        return last / Kernels.BLOCK_TOKENS + 1;
    }

    private void write(Rows next, ByteBuffer to, int[] begins) {
        for (int r = 0; r < next.count(); r++) {
            to.putInt(tokens + 4 * r, next.tokens()[r]);
            to.putInt(positions + 4 * r, next.positions()[r]);
        }
        int table = 0;
        for (Rows.Span span : next.spans()) {
            for (int r = span.firstRow(); r < span.firstRow() + span.count(); r++) {
                begins[r] = table;
                to.putInt(tables + 4 * r, table);
            }
            int used = used(next, span);
            for (int b = 0; b < used; b++) {
                to.putInt(blocks + 4 * table++, span.blocks()[b]);
            }
        }
    }

    /** Which recorded graphs are for where the step lies now. */
    long place() {
        return inlet.address();
    }

    /** Rows the kernels' grids are made for. */
    int capacity() {
        return capacity;
    }

    /** Whether these are the rows whose logits the step wants. */
    boolean wants(int[] rowIndexes) {
        return rowIndexes == sampled && capacity > 0;
    }

    /** Whether these are the step's draws. */
    boolean draws(List<Draw> next) {
        return next == draws && capacity > 0;
    }

    /** The struct StepHead. */
    long head() {
        return inlet.address();
    }

    long tokens() {
        return inlet.address() + tokens;
    }

    long positions() {
        return inlet.address() + positions;
    }

    /** [samples] rows whose logits are wanted. */
    long picked() {
        return inlet.address() + picked;
    }

    /** [samples] how they are drawn. */
    long parameters() {
        return inlet.address() + parameters;
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

    @Override
    public void close() {
        inlet.close();
    }
}
