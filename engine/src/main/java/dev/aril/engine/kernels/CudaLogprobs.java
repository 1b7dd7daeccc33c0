package dev.aril.engine.kernels;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaModule;
import dev.aril.cuda.CudaModule.Kernel;
import dev.aril.cuda.CudaStream;
import dev.aril.engine.SamplingParams;
import dev.aril.engine.TokenLogprobs;
import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@link TokenLogprobs#of} on the device, see {@code logprobs.cu}: launched after the sampling of
 * steps in which a row asks, and only then.
 */
final class CudaLogprobs implements AutoCloseable {
    /** Bytes of a struct Scored. */
    static final int SCORED_BYTES = 8 + 8 * SamplingParams.MOST_LOGPROBS;

    private static final int THREADS = 512;

    private final CudaStream stream;
    private final CudaModule module = new CudaModule("logprobs");
    private final Kernel kernel = module.kernel("logprobs");
    private final Arguments arguments = new Arguments();

    CudaLogprobs(CudaStream stream) {
        this.stream = stream;
    }

    /**
     * Queues it for a step's rows.
     *
     * @param step the struct StepHead; its samples are looked at
     * @param rows at least as many
     * @param logits as {@link CudaSampler#run} left them; become the model's own where a row asks
     * @param parameters where {@link CudaSampler#write}'s rows are on the device
     * @param pool where its penalties are
     * @param ids [rows] ints that it drew
     * @param scored [rows] structs Scored
     */
    void run(
            long step,
            int rows,
            int vocabulary,
            long logits,
            long parameters,
            long pool,
            long ids,
            long scored) {
        arguments
                .begin()
                .put(step)
                .put(logits)
                .put(parameters)
                .put(pool)
                .put(ids)
                .put(scored)
                .put(vocabulary)
                .put(0);
        stream.launch(kernel, rows, 1, 1, THREADS, 0, arguments);
    }

    /**
     * @param from structs Scored of all rows, in the native byte order
     * @param ids of the rows
     * @return [draws] null where nobody asked or the model diverged
     */
    static @Nullable TokenLogprobs[] read(
            ByteBuffer from, int[] ids, List<Draw> draws, int vocabulary) {
        @Nullable TokenLogprobs[] read = new TokenLogprobs[ids.length];
        for (int i = 0; i < read.length; i++) {
            if (draws.get(i).scored() && ids[i] != Kernels.DIVERGED) {
                int at = i * SCORED_BYTES;
                int count = Math.min(draws.get(i).top(), vocabulary);
                int[] topIds = new int[count];
                float[] topLogprobs = new float[count];
                for (int t = 0; t < count; t++) {
                    topIds[t] = from.getInt(at + 8 + 4 * t);
                    topLogprobs[t] = from.getFloat(at + 8 + 4 * (SamplingParams.MOST_LOGPROBS + t));
                }
                read[i] = new TokenLogprobs(ids[i], from.getFloat(at), topIds, topLogprobs);
            }
        }
        return read;
    }

    @Override
    public void close() {
        module.close();
    }
}
