package dev.aril.cuda;

/** The arena has no room for an allocation; nothing was changed. */
public final class OutOfDeviceMemory extends RuntimeException {
    private static final long serialVersionUID = 1L;

    OutOfDeviceMemory(long wanted, long used, long capacity) {
        super(
                wanted
                        + " bytes of device memory do not fit: "
                        + used
                        + " of "
                        + capacity
                        + " are in use; take a smaller KV cache, fewer resident adapters or a"
                        + " smaller model");
    }
}
