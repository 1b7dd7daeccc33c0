package dev.aril.engine.model;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.schedule.Batch;
import java.io.IOException;

/**
 * Runs one batch after the other on the device. {@link #run} and {@link #evictAdapter} are called
 * by the engine's thread only; {@link #loadAdapter} by a loader thread, while steps run.
 */
public interface StepRunner extends AutoCloseable {
    /**
     * Computes every row of a batch, writing its keys and values into the cache.
     *
     * @return logits, row-major [{@link Batch#samples}, vocabulary], in the order of the spans that
     *     sample; valid until the next call, and the caller's to read only
     */
    float[] run(Batch batch);

    /**
     * Reads an adapter and puts it into a slot that no running sequence uses. The adapter is used
     * by no batch before this returns.
     *
     * @return the bytes it takes in the device's memory
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

    /** How many KV blocks the cache holds. */
    int kvBlocks();

    /** How many positions a KV block holds. */
    int kvBlockTokens();

    /** How many adapters can be resident at once: slots 0 to this, exclusive. */
    int adapterSlots();

    @Override
    void close();
}
