package dev.aril.engine.kernels;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaModule.Kernel;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.PinnedBuffer;
import dev.aril.engine.kernels.CudaGemm.Pairs;
import dev.aril.engine.kernels.CudaMemory.DeviceActivation;
import dev.aril.engine.kernels.CudaMemory.DeviceExperts;
import dev.aril.engine.kernels.Kernels.Routing;
import java.nio.ByteBuffer;
import java.util.function.Consumer;
import java.util.function.LongUnaryOperator;

/**
 * Which experts compute which rows, found on the device: {@code experts.cu}. A step's launches
 * depend on its capacity alone, so they can be recorded.
 */
final class CudaExperts implements AutoCloseable {
    /** Experts a row may choose. */
    private static final int MOST_PER_ROW = 16;

    /** The shared memory that a launch has without asking. */
    private static final int MOST_SHARED = 48 << 10;

    /** Bytes of the struct ExpertTile. */
    private static final int TILE_BYTES = 16;

    private static final int ALIGNMENT = 16;

    private final CudaStream stream;
    private final Arguments arguments;
    private final Consumer<DeviceActivation> input;
    private final LongUnaryOperator room;
    private final CudaModules modules = new CudaModules();
    private final Kernel route;
    private final Kernel group;
    private final Kernel add;

    /**
     * Where the lists lie whose layout experts and rows decide.
     *
     * @param pairs there is room for
     */
    private record Lists(
            int pairs,
            long chosen,
            long shares,
            long starts,
            long rows,
            long weights,
            long pairOf,
            long tileCount,
            long tiles) {
        static Lists at(long base, int experts, int pairs) {
            long list = align(4L * pairs);
            long starts = base + 2 * list;
            long rows = starts + align(4L * experts + 4);
            long tileCount = rows + 3 * list;
            return new Lists(
                    pairs,
                    base,
                    base + list,
                    starts,
                    rows,
                    rows + list,
                    rows + 2 * list,
                    tileCount,
                    tileCount + ALIGNMENT);
        }

        static long bytes(int experts, int pairs) {
            // every tile has a pair
            return 5 * align(4L * pairs)
                    + align(4L * experts + 4)
                    + ALIGNMENT
                    + (long) TILE_BYTES * pairs;
        }

        private static long align(long bytes) {
            return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }
    }

    /** Of the last mixture. */
    private Lists lists = Lists.at(0, 0, 0);

    private int experts;

    /** There is room for: recorded launches keep their places until it grows. */
    private int mostExperts;

    private int mostPairs;

    /**
     * @param arguments what launches are made with
     * @param input puts the struct Input of device.cuh there
     * @param room the address of so many bytes, which stay until more are asked for
     */
    CudaExperts(
            CudaStream stream,
            Arguments arguments,
            Consumer<DeviceActivation> input,
            LongUnaryOperator room) {
        this.stream = stream;
        this.arguments = arguments;
        this.input = input;
        this.room = room;
        CudaModule module = modules.load("experts");
        route = module.kernel("experts_route");
        group = module.kernel("experts_group");
        add = module.kernel("experts_add");
    }

    /**
     * @throws IllegalArgumentException if the kernels do not take so many
     */
    static void check(int experts, int perRow) {
        if (perRow < 1 || perRow > Math.min(experts, MOST_PER_ROW)) {
            throw new IllegalArgumentException(
                    "num_experts_per_tok must be 1 to "
                            + Math.min(experts, MOST_PER_ROW)
                            + " on the GPU, not "
                            + perRow);
        }
        if (sharedBytes(experts) > MOST_SHARED) {
            throw new IllegalArgumentException(
                    "num_local_experts may be at most "
                            + (MOST_SHARED / 8 - 1)
                            + " on the GPU, not "
                            + experts);
        }
    }

    private static int sharedBytes(int experts) {
        return 8 * experts + 8;
    }

    /**
     * Lets rows choose, and groups the pairs.
     *
     * @param head the struct StepHead
     * @param count rows, at most
     */
    Pairs choose(long head, int count, DeviceActivation in, DeviceExperts mixture) {
        int most = count * mixture.perRow();
        int all = mixture.count();
        this.experts = all;
        mostExperts = Math.max(mostExperts, all);
        mostPairs = Math.max(mostPairs, most);
        long base = room.applyAsLong(Lists.bytes(mostExperts, mostPairs));
        lists = Lists.at(base, mostExperts, mostPairs);
        arguments.begin().put(head);
        input.accept(in);
        arguments
                .put(mixture.router().weights())
                .put(lists.chosen())
                .put(lists.shares())
                .put(all)
                .put(mixture.perRow());
        stream.launch(route, count, 1, 1, 256, 4 * all, arguments);
        // as wide as an expert's share of the rows
        int tokens = CudaPrograms.TOKENS[CudaPrograms.tile((most + all - 1) / all)];
        arguments
                .begin()
                .put(head)
                .put(lists.chosen())
                .put(lists.shares())
                .put(lists.starts())
                .put(lists.rows())
                .put(lists.weights())
                .put(lists.pairOf())
                .put(lists.tiles())
                .put(lists.tileCount())
                .put(all)
                .put(mixture.perRow())
                .put(tokens)
                .put(0);
        stream.launch(group, 1, 1, 1, 1024, sharedBytes(all), arguments);
        int tiles = Math.min(most, most / tokens + all);
        return new Pairs(tiles, tokens, lists.tiles(), lists.tileCount(), lists.rows());
    }

    /**
     * Adds what the experts gave.
     *
     * @param outputs [pairs, columns] floats
     * @param hidden [rows, columns] floats
     */
    void add(long head, int count, DeviceExperts mixture, long outputs, long hidden, int columns) {
        arguments
                .begin()
                .put(head)
                .put(outputs)
                .put(lists.pairOf())
                .put(lists.shares())
                .put(hidden)
                .put(columns)
                .put(mixture.perRow());
        stream.launch(add, (columns + 511) / 512, count, 1, 128, 0, arguments);
    }

    /** What the last rows chose, waiting for it. */
    Routing read(PinnedBuffer buffer) {
        if (lists.pairs() == 0) {
            throw new IllegalStateException("no experts were computed");
        }
        long bytes = lists.pairOf() - lists.starts();
        stream.copyOut(buffer, lists.starts(), bytes);
        stream.synchronize();
        ByteBuffer from = buffer.bytes();
        int[] starts = new int[experts + 1];
        from.asIntBuffer().get(0, starts);
        int pairs = starts[experts];
        int[] rows = new int[pairs];
        float[] weights = new float[pairs];
        int at = Math.toIntExact(lists.rows() - lists.starts());
        from.asIntBuffer().get(at / Integer.BYTES, rows);
        at = Math.toIntExact(lists.weights() - lists.starts());
        from.asFloatBuffer().get(at / Float.BYTES, weights);
        return new Routing(starts, rows, weights);
    }

    /** Bytes that {@link #read} copies. */
    long routingBytes() {
        return lists.pairOf() - lists.starts();
    }

    @Override
    public void close() {
        modules.close();
    }
}
