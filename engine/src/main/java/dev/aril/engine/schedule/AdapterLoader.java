package dev.aril.engine.schedule;

import dev.aril.engine.AdapterRef;

/** Moves adapters' bytes as {@link ResidentAdapters} decides. */
public interface AdapterLoader {
    /**
     * Starts to load an adapter into an empty slot and returns at once. Later the scheduler's
     * thread must tell {@link Scheduler#loaded} or {@link Scheduler#loadFailed}, exactly once.
     */
    void load(AdapterRef adapter, int slot);

    /** Empties a slot that nobody uses. */
    void evict(int slot);
}
