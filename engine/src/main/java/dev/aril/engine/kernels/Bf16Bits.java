package dev.aril.engine.kernels;

/** The 16 bits of a bf16 number: the upper half of a float. */
public final class Bf16Bits {
    private Bf16Bits() {}

    public static float toFloat(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /**
     * Rounded to nearest, ties to even; may overflow to infinity.
     *
     * @param x finite
     */
    public static short nearest(float x) {
        int bits = Float.floatToRawIntBits(x);
        return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
    }

    /** Of a float that bf16 holds exactly; of another what is nearest on the way to zero. */
    public static short upper(float x) {
        return (short) (Float.floatToRawIntBits(x) >>> 16);
    }
}
