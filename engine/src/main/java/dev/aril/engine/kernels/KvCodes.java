package dev.aril.engine.kernels;

/**
 * One head's key or value in INT4: x ≈ (code - zero) * scale. The range always holds 0, so that the
 * zero point needs no more than 4 bits.
 *
 * @param codes [headDim] 0..15
 * @param scale half precision
 * @param zero 0..15
 */
record KvCodes(byte[] codes, short scale, int zero) {
    /** Quantizes x[at .. at + headDim). */
    static KvCodes of(float[] x, int at, int headDim) {
        float min = 0;
        float max = 0;
        for (int d = at; d < at + headDim; d++) {
            min = Math.min(min, x[d]);
            max = Math.max(max, x[d]);
        }
        short half = Float.floatToFloat16(Math.max(max - min, InputSpec.TINY) / 15f);
        float inverse = 1 / Float.float16ToFloat(half);
        int zero = Math.clamp((int) Math.rint(-min * inverse), 0, 15);
        byte[] codes = new byte[headDim];
        for (int d = 0; d < headDim; d++) {
            float rounded = x[at + d] * inverse + InputSpec.ROUND - InputSpec.ROUND;
            codes[d] = (byte) Math.clamp((int) rounded + zero, 0, 15);
        }
        return new KvCodes(codes, half, zero);
    }

    float scaleValue() {
        return Float.float16ToFloat(scale);
    }
}
