package dev.aril.engine.kernels;

import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * An adapter for vectors whose lanes are ranks (shrink) and outputs (expand).
 *
 * @param layers [layers][{@link LowRank#COUNT}]
 */
record CpuAdapter(@Nullable CpuPair[][] layers, long bytes) implements Kernels.Adapter {
    /**
     * @param padded the rank rounded up to whole vectors
     * @param a [in, padded]
     * @param b [rank, outPadded]
     */
    record CpuPair(int rank, int padded, int in, int outPadded, float[] a, float[] b) {
        static CpuPair of(LowRank pair) {
            int padded = Lanes.roundUp(pair.rank(), Lanes.WIDTH);
            int outPadded = Lanes.roundUp(pair.out(), BlockedLinear.COLUMNS);
            float[] a = new float[pair.in() * padded];
            for (int i = 0; i < pair.rank(); i++) {
                for (int k = 0; k < pair.in(); k++) {
                    a[k * padded + i] = pair.a()[i * pair.in() + k];
                }
            }
            float[] b = new float[pair.rank() * outPadded];
            for (int n = 0; n < pair.out(); n++) {
                for (int i = 0; i < pair.rank(); i++) {
                    b[i * outPadded + n] = pair.b()[n * pair.rank() + i];
                }
            }
            return new CpuPair(pair.rank(), padded, pair.in(), outPadded, a, b);
        }

        /** shrunk[to ..] = a·x, in four interleaved sums over the inputs. */
        void shrink(float[] x, int from, float[] shrunk, int to) {
            for (int i = 0; i < padded; i += Lanes.WIDTH) {
                FloatVector s0 = FloatVector.zero(Lanes.F);
                FloatVector s1 = s0;
                FloatVector s2 = s0;
                FloatVector s3 = s0;
                int w = i;
                for (int k = 0; k < in; k += 4, w += 4 * padded) {
                    s0 = Lanes.load(a, w).fma(Lanes.broadcast(x[from + k]), s0);
                    s1 = Lanes.load(a, w + padded).fma(Lanes.broadcast(x[from + k + 1]), s1);
                    s2 = Lanes.load(a, w + 2 * padded).fma(Lanes.broadcast(x[from + k + 2]), s2);
                    s3 = Lanes.load(a, w + 3 * padded).fma(Lanes.broadcast(x[from + k + 3]), s3);
                }
                s0.add(s1).add(s2.add(s3)).intoArray(shrunk, to + i);
            }
        }

        /** tile[to .. to + COLUMNS) += b·shrunk for one block of outputs. */
        void expand(float[] shrunk, int from, int block, float[] tile, int to) {
            final int w = Lanes.WIDTH;
            FloatVector s0 = Lanes.load(tile, to);
            FloatVector s1 = Lanes.load(tile, to + w);
            FloatVector s2 = Lanes.load(tile, to + 2 * w);
            FloatVector s3 = Lanes.load(tile, to + 3 * w);
            int at = block * BlockedLinear.COLUMNS;
            for (int i = 0; i < rank; i++, at += outPadded) {
                FloatVector c = Lanes.broadcast(shrunk[from + i]);
                s0 = Lanes.load(b, at).fma(c, s0);
                s1 = Lanes.load(b, at + w).fma(c, s1);
                s2 = Lanes.load(b, at + 2 * w).fma(c, s2);
                s3 = Lanes.load(b, at + 3 * w).fma(c, s3);
            }
            s0.intoArray(tile, to);
            s1.intoArray(tile, to + w);
            s2.intoArray(tile, to + 2 * w);
            s3.intoArray(tile, to + 3 * w);
        }
    }

    static CpuAdapter of(@Nullable LowRank[][] adapter) {
        @Nullable CpuPair[][] layers = new CpuPair[adapter.length][LowRank.COUNT];
        long floats = 0;
        for (int l = 0; l < adapter.length; l++) {
            for (int p = 0; p < LowRank.COUNT; p++) {
                LowRank pair = adapter[l][p];
                if (pair != null) {
                    CpuPair made = CpuPair.of(pair);
                    layers[l][p] = made;
                    floats += made.a().length + made.b().length;
                }
            }
        }
        return new CpuAdapter(layers, 4 * floats);
    }
}
