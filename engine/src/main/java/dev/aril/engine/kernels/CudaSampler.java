package dev.aril.engine.kernels;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaContext;
import dev.aril.cuda.CudaEvent;
import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaModule.Kernel;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.cuda.PinnedBuffer;
import dev.aril.engine.TokenLogprobs;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * {@link Sampler} on the device, see {@code sample.cu}. A step's rows are written into its own
 * buffer; the ids that biases and penalties are for lie in a pool of a fixed size and at a fixed
 * address, copied only in steps that have any. Rows whose ids find no room there are left to the
 * host.
 */
final class CudaSampler implements AutoCloseable {
    /** Bytes of a struct SampleRow. */
    private static final int ROW_BYTES = 80;

    /** Bytes of a struct Penalty: an id, its count, its bias, and what the device notes. */
    private static final int PENALTY_BYTES = 16;

    /** Penalties of a step: 128 rows with 4096 different ids. */
    private static final int POOL = 1 << 19;

    private static final int SHARED_BYTES = 66 << 10;
    private static final int THREADS = 512;

    /** Rows up to which a row gets 8, 4 and 2 thread blocks: about as many as run at once. */
    private static final int FEW = 8;

    private static final int SOME = 16;
    private static final int MANY = 64;

    private final DeviceMemory memory;
    private final CudaStream stream;
    private final CudaModule module = new CudaModule("sample");
    private final Arguments arguments = new Arguments();
    private final CudaEvent copied = new CudaEvent();
    private final PinnedBuffer host = new PinnedBuffer(POOL * PENALTY_BYTES);
    private final long pool;
    private final boolean clusters;
    private final Kernel one;
    private final Kernel two;
    private final Kernel four;
    private final Kernel eight;

    /** Rows of the step written last whose penalties found no room. */
    private final BitSet left = new BitSet();

    CudaSampler(CudaContext context, DeviceMemory memory, CudaStream stream) {
        this.memory = memory;
        this.stream = stream;
        pool = memory.allocate((long) POOL * PENALTY_BYTES);
        clusters = CudaPrograms.hopper(context);
        one = module.kernel("sample_1", SHARED_BYTES);
        two = clusters ? module.kernel("sample_2", SHARED_BYTES) : one;
        four = clusters ? module.kernel("sample_4", SHARED_BYTES) : one;
        eight = clusters ? module.kernel("sample_8", SHARED_BYTES) : one;
    }

    /** Bytes that so many rows take in a step's buffer. */
    static int bytes(int rows) {
        return rows * ROW_BYTES;
    }

    /**
     * Writes a step's rows, and queues the copy of their penalties.
     *
     * @param to a step's buffer, in the native byte order
     * @param at where the rows begin, a multiple of 8
     */
    void write(ByteBuffer to, int at, List<Draw> draws) {
        left.clear();
        int used = 0;
        for (int i = 0; i < draws.size(); i++) {
            Draw draw = draws.get(i);
            int count = draw.ids().length;
            if (used + count > POOL) {
                left.set(i);
                draw = Draw.greedy().with(draw.top());
                count = 0;
            }
            write(to, at + i * ROW_BYTES, draw, used);
            if (count > 0) {
                if (used == 0) {
                    copied.synchronize(); // what was sent last has left the buffer
                }
                pool(draw, used);
            }
            used += count;
        }
        if (used > 0) {
            stream.copyIn(pool, host, (long) used * PENALTY_BYTES);
            stream.record(copied);
        }
    }

    private static void write(ByteBuffer to, int at, Draw draw, int first) {
        to.putDouble(at, draw.inverse());
        to.putDouble(at + 8, draw.topP());
        to.putDouble(at + 16, draw.minP());
        to.putDouble(at + 24, draw.presence());
        to.putDouble(at + 32, draw.frequency());
        to.putLong(at + 40, draw.seed());
        to.putLong(at + 48, draw.position());
        to.putFloat(at + 56, (float) draw.repetition());
        to.putInt(at + 60, draw.topK());
        to.putInt(at + 64, first);
        to.putInt(at + 68, draw.ids().length);
        to.putInt(at + 72, draw.given());
        to.putInt(at + 76, draw.top());
    }

    private void pool(Draw draw, int first) {
        ByteBuffer to = host.bytes();
        int[] ids = draw.ids();
        int[] counts = draw.counts();
        float[] biases = draw.biases();
        int at = first * PENALTY_BYTES;
        for (int i = 0; i < ids.length; i++, at += PENALTY_BYTES) {
            to.putInt(at, ids[i]);
            to.putInt(at + 4, counts[i]);
            to.putFloat(at + 8, i < biases.length ? biases[i] : 0);
        }
    }

    /**
     * Queues the sampling of a step's rows.
     *
     * @param step the struct StepHead; its samples are drawn
     * @param rows at least as many
     * @param logits [rows, vocabulary] floats; become the biased and penalized scores
     * @param parameters where {@link #write}'s rows are on the device
     * @param ids [rows] ints
     */
    void run(long step, int rows, int vocabulary, long logits, long parameters, long ids) {
        arguments
                .begin()
                .put(step)
                .put(logits)
                .put(parameters)
                .put(pool)
                .put(ids)
                .put(vocabulary)
                .put(0);
        if (!clusters || rows > MANY) {
            launch(one, 1, rows);
        } else if (rows > SOME) {
            launch(two, 2, rows);
        } else if (rows > FEW) {
            launch(four, 4, rows);
        } else {
            launch(eight, 8, rows);
        }
    }

    private void launch(Kernel kernel, int blocks, int rows) {
        stream.launch(kernel, blocks, rows, 1, THREADS, SHARED_BYTES, arguments);
    }

    /**
     * Draws on the host what was left to it.
     *
     * @param ids [draws.size()] as the device drew them
     * @param logprobs [draws.size()] as the device told them; empty if nobody asked
     * @param logits a row's logits
     */
    void complete(
            int[] ids,
            @Nullable TokenLogprobs[] logprobs,
            List<Draw> draws,
            IntFunction<float[]> logits) {
        for (int row = left.nextSetBit(0); row >= 0; row = left.nextSetBit(row + 1)) {
            float[] own = logits.apply(row);
            Draw draw = draws.get(row);
            ids[row] = new Sampler(own.length).sample(own, 0, draw);
            if (draw.scored() && ids[row] != Kernels.DIVERGED) {
                logprobs[row] = TokenLogprobs.of(own, 0, own.length, ids[row], draw.top());
            }
        }
    }

    /** Where the penalties are. */
    long pool() {
        return pool;
    }

    @Override
    public void close() {
        memory.free(pool);
        copied.close();
        host.close();
        module.close();
    }
}
