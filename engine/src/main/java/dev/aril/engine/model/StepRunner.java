package dev.aril.engine.model;

import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.engine.AdapterRef;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.TokenLogprobs;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.schedule.Batch;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Runs one batch after the other on the device, while the engine's thread goes on: it launches a
 * step and awaits it later. Every method is called by that thread only, but {@link #loadAdapter},
 * which a loader thread calls while steps run.
 */
public interface StepRunner extends AutoCloseable {
    /**
     * Starts to compute every row of a batch, writing its keys and values into the cache, and to
     * sample. All of the batch and its sequences is read before this returns. Until {@link #await}
     * returns, its sequences' blocks are given to nobody else and no adapter is evicted.
     */
    void launch(Batch batch);

    /**
     * Waits for the step that was launched.
     *
     * @return [{@link Batch#samples}] the next id of each span that samples, in their order, or
     *     {@link Kernels#DIVERGED}
     */
    int[] await();

    /**
     * What the step awaited last says of logprobs.
     *
     * @return empty if no sequence asked; else [{@link Batch#samples} + {@link Batch#scored}] those
     *     of the sampled ids, null where nobody asked, then those of the prompts' ids that follow
     *     the scored rows
     */
    @Nullable TokenLogprobs[] logprobs();

    /**
     * Reads an adapter and puts it into a slot that no running sequence uses. The adapter is used
     * by no batch before this returns.
     *
     * @return the bytes it takes in the device's memory
     * @throws OutOfDeviceMemory if these are not free now; nothing was taken
     */
    long loadAdapter(AdapterRef adapter, int slot) throws AdapterRejected, IOException;

    /** Empties a slot that no running sequence uses. */
    void evictAdapter(int slot);

    /**
     * Does a little work that makes later steps faster; called while nothing runs, so that it may
     * write into any KV block.
     *
     * @return whether there is more of it to do
     */
    default boolean warmUp() {
        return false;
    }

    /**
     * Whether it can go on, asked after anything failed. If not, all that the device held is lost:
     * cache, adapters, weights; only closing is left.
     */
    default boolean sound() {
        return true;
    }

    /** How many KV blocks the cache holds. */
    int kvBlocks();

    /** How many positions a KV block holds. */
    int kvBlockTokens();

    /** How many adapters can be resident at once: slots 0 to this, exclusive. */
    int adapterSlots();

    /** Frees the device; closing again does nothing. */
    @Override
    void close();
}
