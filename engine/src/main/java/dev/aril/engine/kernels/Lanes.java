package dev.aril.engine.kernels;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * The machine's vector width, and element-wise functions in it.
 *
 * <p>Only correctly rounded operations are used (+, -, *, fma, comparisons), never a library's exp
 * or a floating-point lane reduction: those may differ between interpreted and compiled code, and a
 * token must not depend on how warm the virtual machine is.
 */
final class Lanes {
    static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
    static final VectorShape SHAPE = F.vectorShape();
    static final VectorSpecies<Integer> I = VectorSpecies.of(int.class, SHAPE);
    static final VectorSpecies<Short> S = VectorSpecies.of(short.class, SHAPE);

    /** Floats in a vector. */
    static final int WIDTH = F.length();

    /** At least {@link #WIDTH} bytes, as few as there is a shape for. */
    static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, 8 * WIDTH)));

    private static final float LOG2_E = (float) (1 / Math.log(2));
    private static final float LN2_HIGH = 0.693359375f; // few bits: n * LN2_HIGH is exact
    private static final float LN2_LOW = (float) (Math.log(2) - LN2_HIGH);

    private Lanes() {}

    static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(F, x, at);
    }

    static FloatVector broadcast(float x) {
        return FloatVector.broadcast(F, x);
    }

    /** WIDTH unsigned bytes as ints; reads up to {@link #BYTES} bytes. */
    static IntVector unsignedBytes(byte[] x, int at) {
        return (IntVector)
                ByteVector.fromArray(BYTES, x, at)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, I, 0);
    }

    /**
     * Ints of at most 22 bits, exactly: added to the bits of {@link InputSpec#ROUND} they are its
     * last digits. The virtual machine makes better code of this than of its own conversion.
     */
    static FloatVector toFloat(IntVector x) {
        return x.add(Float.floatToRawIntBits(InputSpec.ROUND))
                .reinterpretAsFloats()
                .sub(InputSpec.ROUND);
    }

    /** Sum of the lanes from the first to the last. */
    static float sum(FloatVector x) {
        float[] lanes = x.toArray();
        float sum = 0;
        for (float lane : lanes) {
            sum += lane;
        }
        return sum;
    }

    /**
     * e^x for x in -87..88 (others are limited to that), relative error below 2e-7: x = n·ln2 + r,
     * Taylor's series for e^r, n added to the exponent.
     */
    static FloatVector exp(FloatVector x) {
        FloatVector limited = x.max(-87f).min(88f);
        FloatVector shifted = limited.fma(broadcast(LOG2_E), broadcast(InputSpec.ROUND));
        FloatVector n = shifted.sub(InputSpec.ROUND);
        FloatVector r = n.fma(broadcast(-LN2_HIGH), limited);
        r = n.fma(broadcast(-LN2_LOW), r);
        FloatVector p = broadcast(1f / 5040);
        p = p.fma(r, broadcast(1f / 720));
        p = p.fma(r, broadcast(1f / 120));
        p = p.fma(r, broadcast(1f / 24));
        p = p.fma(r, broadcast(1f / 6));
        p = p.fma(r, broadcast(0.5f));
        p = p.fma(r, broadcast(1f));
        p = p.fma(r, broadcast(1f));
        IntVector power =
                shifted.reinterpretAsInts()
                        .sub(Float.floatToRawIntBits(InputSpec.ROUND))
                        .add(127)
                        .lanewise(VectorOperators.LSHL, 23);
        return p.mul(power.reinterpretAsFloats());
    }

    /** x · sigmoid(x). */
    static FloatVector silu(FloatVector x) {
        return x.div(exp(x.neg()).add(1f));
    }

    /** [stage] lane i takes lane i ^ 2^stage. */
    private static final VectorShuffle<Float>[] PARTNER = partners();

    /** [stage] 1 where the lane is the first of its pair, -1 where the second. */
    private static final float[][] SIGN = signs();

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static VectorShuffle<Float>[] partners() {
        VectorShuffle<Float>[] shuffles = new VectorShuffle[Integer.numberOfTrailingZeros(WIDTH)];
        for (int stage = 0; stage < shuffles.length; stage++) {
            int bit = 1 << stage;
            shuffles[stage] = VectorShuffle.fromOp(F, lane -> lane ^ bit);
        }
        return shuffles;
    }

    private static float[][] signs() {
        float[][] signs = new float[PARTNER.length][WIDTH];
        for (int stage = 0; stage < signs.length; stage++) {
            for (int lane = 0; lane < WIDTH; lane++) {
                signs[stage][lane] = (lane >> stage & 1) == 0 ? 1 : -1;
            }
        }
        return signs;
    }

    /** {@link Hadamard#apply} with the same roundings; size at least {@link #WIDTH}. */
    static void hadamard(float[] x, int at, int size) {
        float norm = Hadamard.norm(size);
        for (int i = at; i < at + size; i += WIDTH) {
            FloatVector v = load(x, i);
            for (int stage = 0; stage < PARTNER.length; stage++) {
                // the pair's first lane gets a + b, its second a - b: one rounding either way
                v = v.fma(load(SIGN[stage], 0), v.rearrange(PARTNER[stage]));
            }
            v.intoArray(x, i);
        }
        for (int h = WIDTH; h < size; h *= 2) {
            for (int i = at; i < at + size; i += 2 * h) {
                for (int j = i; j < i + h; j += WIDTH) {
                    FloatVector a = load(x, j);
                    FloatVector b = load(x, j + h);
                    a.add(b).intoArray(x, j);
                    a.sub(b).intoArray(x, j + h);
                }
            }
        }
        for (int i = at; i < at + size; i += WIDTH) {
            load(x, i).mul(norm).intoArray(x, i);
        }
    }

    /** Largest magnitude in x[from .. to), at least floor. */
    static float maxMagnitude(float[] x, int from, int to, float floor) {
        FloatVector max = broadcast(floor);
        int i = from;
        for (; i + WIDTH <= to; i += WIDTH) {
            max = max.max(load(x, i).abs());
        }
        float result = max.reduceLanes(VectorOperators.MAX);
        for (; i < to; i++) {
            result = Math.max(result, Math.abs(x[i]));
        }
        return result;
    }

    /** The smallest multiple of unit that is at least n. */
    static int roundUp(int n, int unit) {
        return (n + unit - 1) / unit * unit;
    }
}
