package dev.aril.cuda;

/** The arena has no room for an allocation; nothing was changed. */
public final class OutOfDeviceMemory extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final long wanted;
    private final long free;

    /**
     * @param wanted bytes that found no room
     * @param used bytes of the arena in use
     * @param capacity bytes of the arena
     */
    public OutOfDeviceMemory(long wanted, long used, long capacity) {
        super(
                wanted
                        + " bytes of device memory do not fit: "
                        + used
                        + " of "
                        + capacity
                        + " are in use; take a smaller KV cache, fewer resident adapters or a"
                        + " smaller model");
        this.wanted = wanted;
        this.free = capacity - used;
    }

    /** Bytes that found no room. */
    public long wanted() {
        return wanted;
    }

    /** Bytes that were free, though not in one piece. */
    public long free() {
        return free;
    }
}
