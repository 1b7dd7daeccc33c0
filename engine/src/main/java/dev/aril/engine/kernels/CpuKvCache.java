package dev.aril.engine.kernels;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values in blocks of {@link Kernels#BLOCK_TOKENS} positions, one run of memory for each
 * layer, block and head. Keys lie by channel (lanes are positions when scores are computed), values
 * by position (lanes are channels when they are mixed); neither needs a lane reduction.
 */
abstract sealed class CpuKvCache implements Kernels.KvCache {
    static final int TOKENS = Kernels.BLOCK_TOKENS;

    final KvShape shape;
    private @Nullable Rope rope;

    CpuKvCache(KvShape shape) {
        this.shape = shape;
    }

    static CpuKvCache of(KvShape shape) {
        return shape.quantized() ? new Int4(shape) : new Plain(shape);
    }

    /** What turns keys that are cached before RoPE. */
    final void turnsWith(Rope next) {
        rope = next;
    }

    /**
     * Keys of a run as the queries meet them, turned by their positions.
     *
     * @param firstPosition of the block
     */
    final void turnedKeys(int layer, int block, int head, int firstPosition, float[] out) {
        keys(layer, block, head, out);
        if (shape.format() == KvFormat.INT4_BEFORE_ROPE && rope != null) {
            rope.turnRun(out, TOKENS, firstPosition);
        }
    }

    /** Index of a run among its layer's. */
    final int run(int block, int head) {
        return block * shape.heads() + head;
    }

    /** Stores one position's key and value, headDim floats each. */
    abstract void store(
            int layer, int block, int head, int slot, float[] key, int k, float[] value, int v);

    /** Keys of a run as they are cached, as floats [headDim, TOKENS]. */
    abstract void keys(int layer, int block, int head, float[] out);

    /** Values of a run as floats [TOKENS, headDim]. */
    abstract void values(int layer, int block, int head, float[] out);

    /** Full precision, for the control recipe. */
    private static final class Plain extends CpuKvCache {
        private final float[][] keys;
        private final float[][] values;

        Plain(KvShape shape) {
            super(shape);
            int size = Math.multiplyExact(shape.blocks(), shape.heads() * shape.headDim() * TOKENS);
            keys = new float[shape.layers()][size];
            values = new float[shape.layers()][size];
        }

        @Override
        void store(
                int layer,
                int block,
                int head,
                int slot,
                float[] key,
                int k,
                float[] value,
                int v) {
            int headDim = shape.headDim();
            int at = run(block, head) * headDim * TOKENS;
            for (int d = 0; d < headDim; d++) {
                keys[layer][at + d * TOKENS + slot] = key[k + d];
            }
            System.arraycopy(value, v, values[layer], at + slot * headDim, headDim);
        }

        @Override
        void keys(int layer, int block, int head, float[] out) {
            int size = shape.headDim() * TOKENS;
            System.arraycopy(keys[layer], run(block, head) * size, out, 0, size);
        }

        @Override
        void values(int layer, int block, int head, float[] out) {
            int size = shape.headDim() * TOKENS;
            System.arraycopy(values[layer], run(block, head) * size, out, 0, size);
        }

        @Override
        public long bytes() {
            return 8L * keys.length * keys[0].length;
        }
    }

    /**
     * Nibbles. Keys: [headDim / 2, TOKENS] bytes, channel 2i low and 2i + 1 high; values: [TOKENS,
     * headDim / 2] bytes, channel i low and i + headDim / 2 high.
     */
    private static final class Int4 extends CpuKvCache {
        private static final int PAD = 64; // whole-vector loads may read past a run's end

        private final byte[][] keys;
        private final byte[][] values;
        // [run, TOKENS]
        private final float[][] keyScale;
        private final float[][] keyZero;
        private final float[][] valueScale;
        private final float[][] valueZero;

        Int4(KvShape shape) {
            super(shape);
            int runs = Math.multiplyExact(shape.blocks(), shape.heads());
            int bytes = Math.addExact(Math.multiplyExact(runs, TOKENS * shape.headDim() / 2), PAD);
            keys = new byte[shape.layers()][bytes];
            values = new byte[shape.layers()][bytes];
            keyScale = new float[shape.layers()][runs * TOKENS];
            keyZero = new float[shape.layers()][runs * TOKENS];
            valueScale = new float[shape.layers()][runs * TOKENS];
            valueZero = new float[shape.layers()][runs * TOKENS];
        }

        @Override
        void store(
                int layer,
                int block,
                int head,
                int slot,
                float[] key,
                int k,
                float[] value,
                int v) {
            int half = shape.headDim() / 2;
            int run = run(block, head);
            int at = run * half * TOKENS;
            KvCodes codes = KvCodes.of(key, k, shape.headDim());
            for (int i = 0; i < half; i++) {
                keys[layer][at + i * TOKENS + slot] =
                        (byte) (codes.codes()[2 * i] | codes.codes()[2 * i + 1] << 4);
            }
            keyScale[layer][run * TOKENS + slot] = codes.scaleValue();
            keyZero[layer][run * TOKENS + slot] = codes.zero();
            codes = KvCodes.of(value, v, shape.headDim());
            for (int i = 0; i < half; i++) {
                values[layer][at + slot * half + i] =
                        (byte) (codes.codes()[i] | codes.codes()[i + half] << 4);
            }
            valueScale[layer][run * TOKENS + slot] = codes.scaleValue();
            valueZero[layer][run * TOKENS + slot] = codes.zero();
        }

        @Override
        void keys(int layer, int block, int head, float[] out) {
            int run = run(block, head);
            int half = shape.headDim() / 2;
            for (int t = 0; t < TOKENS; t += Lanes.WIDTH) {
                FloatVector scale = Lanes.load(keyScale[layer], run * TOKENS + t);
                FloatVector zero = Lanes.load(keyZero[layer], run * TOKENS + t);
                int at = run * half * TOKENS + t;
                for (int i = 0; i < half; i++) {
                    IntVector pair = Lanes.unsignedBytes(keys[layer], at + i * TOKENS);
                    Lanes.toFloat(pair.and(15))
                            .sub(zero)
                            .mul(scale)
                            .intoArray(out, 2 * i * TOKENS + t);
                    Lanes.toFloat(pair.lanewise(VectorOperators.LSHR, 4))
                            .sub(zero)
                            .mul(scale)
                            .intoArray(out, (2 * i + 1) * TOKENS + t);
                }
            }
        }

        @Override
        void values(int layer, int block, int head, float[] out) {
            int run = run(block, head);
            int half = shape.headDim() / 2;
            byte[] nibbles = values[layer];
            float[] scales = valueScale[layer];
            float[] zeros = valueZero[layer];
            for (int t = 0; t < TOKENS; t++) {
                float scale = scales[run * TOKENS + t];
                float shift = -zeros[run * TOKENS + t] * scale;
                int at = (run * TOKENS + t) * half;
                for (int i = 0; i < half; i += Lanes.WIDTH) {
                    IntVector pair = Lanes.unsignedBytes(nibbles, at + i);
                    widen(pair.and(15), scale, shift, out, 2 * t * half + i);
                    IntVector high = pair.lanewise(VectorOperators.LSHR, 4);
                    widen(high, scale, shift, out, (2 * t + 1) * half + i);
                }
            }
        }

        private static void widen(IntVector codes, float scale, float shift, float[] out, int at) {
            Lanes.toFloat(codes)
                    .fma(Lanes.broadcast(scale), Lanes.broadcast(shift))
                    .intoArray(out, at);
        }

        @Override
        public long bytes() {
            return (long) keys.length * (2L * keys[0].length + 16L * keyScale[0].length);
        }
    }
}
