package dev.aril.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A kernel's one parameter, a struct passed by value: fields are put in the order in which the
 * struct declares them and aligned as C aligns them. Reused for every launch, so that a launch
 * makes no garbage.
 */
public final class Arguments {
    /** What every device takes at least. */
    private static final int SIZE = 4096;

    private final ByteBuffer bytes = ByteBuffer.allocateDirect(SIZE).order(ByteOrder.nativeOrder());

    /** The driver's array of parameters: one. */
    private final MemorySegment pointer = Arena.ofAuto().allocate(8, 8);

    private int at;

    public Arguments() {
        pointer.set(ValueLayout.JAVA_LONG, 0, MemorySegment.ofBuffer(bytes).address());
    }

    /** Begins a new struct. */
    public Arguments begin() {
        at = 0;
        return this;
    }

    /** A device address, 0 for null. */
    public Arguments put(long address) {
        at = at + 7 & ~7;
        bytes.putLong(at, address);
        at += 8;
        return this;
    }

    public Arguments put(int value) {
        bytes.putInt(at, value);
        at += 4;
        return this;
    }

    public Arguments put(float value) {
        bytes.putFloat(at, value);
        at += 4;
        return this;
    }

    MemorySegment pointer() {
        return pointer;
    }
}
