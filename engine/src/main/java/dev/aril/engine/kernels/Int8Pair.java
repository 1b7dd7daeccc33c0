package dev.aril.engine.kernels;

import java.util.SplittableRandom;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * A low-rank pair in INT8: one scale a rank for a, and for b one an output after each rank's
 * magnitude went into a's scale, so that a rank with small values is not lost beside a large one.
 *
 * @param aScales [rank] a = code * aScale, b's magnitude of the rank not included
 * @param magnitudes [rank] of b's columns, root mean squares
 * @param bScales [out] bf16 bits; b = code * bScale * magnitude
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Int8Pair(LowRank pair, float[] aScales, float[] magnitudes, short[] bScales) {
    private static final int LARGEST = 127;

    /** Random inputs that the error is measured with, a vector's lanes. */
    private static final VectorSpecies<Float> PROBES = FloatVector.SPECIES_256;

    static Int8Pair of(LowRank pair) {
        int rank = pair.rank();
        float[] aScales = new float[rank];
        float[] magnitudes = new float[rank];
        for (int r = 0; r < rank; r++) {
            float most = 0;
            for (int k = r * pair.in(); k < (r + 1) * pair.in(); k++) {
                most = Math.max(most, Math.abs(pair.a()[k]));
            }
            aScales[r] = most / LARGEST;
        }
        double[] squares = new double[rank];
        for (int n = 0; n < pair.out(); n++) {
            for (int r = 0; r < rank; r++) {
                float x = pair.b()[n * rank + r];
                squares[r] += (double) x * x;
            }
        }
        for (int r = 0; r < rank; r++) {
            magnitudes[r] = (float) Math.sqrt(squares[r] / pair.out());
        }
        short[] bScales = new short[pair.out()];
        for (int n = 0; n < pair.out(); n++) {
            float most = 0;
            for (int r = 0; r < rank; r++) {
                most = Math.max(most, Math.abs(divided(pair.b()[n * rank + r], magnitudes[r])));
            }
            bScales[n] = roundedUp(most / LARGEST);
        }
        return new Int8Pair(pair, aScales, magnitudes, bScales);
    }

    private static float divided(float x, float by) {
        return by == 0 ? 0 : x / by;
    }

    /** The nearest bf16 that is not smaller. */
    private static short roundedUp(float x) {
        return (short) (Float.floatToRawIntBits(x) + 0xFFFF >>> 16);
    }

    private static int code(float x) {
        int rounded = (int) (x + InputSpec.ROUND - InputSpec.ROUND);
        return Math.max(-LARGEST, Math.min(LARGEST, rounded));
    }

    int a(int r, int k) {
        return code(pair.a()[r * pair.in() + k] * divided(1, aScales[r]));
    }

    int b(int n, int r) {
        float inverse = divided(1, Bf16Bits.toFloat(bScales[n]) * magnitudes[r]);
        return code(pair.b()[n * pair.rank() + r] * inverse);
    }

    /** Of a rank's shrunk values. */
    float rankScale(int r) {
        return aScales[r] * magnitudes[r];
    }

    /**
     * How much of the update b·a changes: the norm of the difference over the norm, each estimated
     * (unbiased, before the root) from what eight random inputs of ±1 become.
     */
    double error() {
        int rank = pair.rank();
        int in = pair.in();
        int probes = PROBES.length();
        SplittableRandom random = new SplittableRandom(1);
        float[] inputs = new float[in * probes];
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = random.nextInt() < 0 ? 1 : -1;
        }
        FloatVector[] exact = new FloatVector[rank];
        FloatVector[] coded = new FloatVector[rank];
        for (int r = 0; r < rank; r++) {
            FloatVector v = FloatVector.zero(PROBES);
            FloatVector w = v;
            float scale = aScales[r];
            float inverse = divided(1, scale);
            for (int k = 0; k < in; k++) {
                float value = pair.a()[r * in + k];
                FloatVector x = FloatVector.fromArray(PROBES, inputs, k * probes);
                v = x.fma(FloatVector.broadcast(PROBES, value), v);
                w = x.fma(FloatVector.broadcast(PROBES, code(value * inverse) * scale), w);
            }
            exact[r] = v;
            coded[r] = w.mul(magnitudes[r]);
        }
        double difference = 0;
        double norm = 0;
        for (int n = 0; n < pair.out(); n++) {
            FloatVector y = FloatVector.zero(PROBES);
            FloatVector z = y;
            float scale = Bf16Bits.toFloat(bScales[n]);
            for (int r = 0; r < rank; r++) {
                y = exact[r].fma(FloatVector.broadcast(PROBES, pair.b()[n * rank + r]), y);
                z = coded[r].fma(FloatVector.broadcast(PROBES, b(n, r) * scale), z);
            }
            for (int p = 0; p < probes; p++) {
                double d = (double) z.lane(p) - y.lane(p);
                difference += d * d;
                norm += (double) y.lane(p) * y.lane(p);
            }
        }
        return norm == 0 ? 0 : Math.sqrt(difference / norm);
    }
}
