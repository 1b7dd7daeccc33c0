package dev.aril.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jcuda.Pointer;

/**
 * A kernel's one parameter, a struct passed by value: fields are put in the order in which the
 * struct declares them and aligned as C aligns them. Reused for every launch, so that a launch
 * makes no garbage.
 */
public final class Arguments {
    /** What every device takes at least. */
    private static final int SIZE = 4096;

    private final ByteBuffer bytes = ByteBuffer.allocateDirect(SIZE).order(ByteOrder.nativeOrder());
    private final Pointer pointer = Pointer.to(Pointer.to(bytes));
    private int at;

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

    Pointer pointer() {
        return pointer;
    }
}
