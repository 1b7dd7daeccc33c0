package dev.aril.engine.quantize;

import dev.aril.engine.kernels.Bf16Bits;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.KvCache;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.KvShape;
import dev.aril.engine.kernels.Rows;
import dev.aril.engine.model.DecoderLayer;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Recipe;
import dev.aril.engine.model.WeightSource;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleConsumer;
import org.jspecify.annotations.Nullable;

/** A calibration text's hidden states, on their way through the layers. */
final class Calibration {
    /** Rows computed at once. */
    static final int CHUNK = 256;

    private final Kernels kernels;
    private final ModelConfig config;
    private final List<int[]> windows;

    /** [window][tokens, hidden] */
    private final float[][] hidden;

    private final Matrix rows;

    /**
     * @param windows token ids, each at most a context long
     */
    Calibration(Kernels kernels, WeightSource weights, List<int[]> windows) {
        this.kernels = kernels;
        this.config = weights.config();
        this.windows = windows;
        this.rows = kernels.matrix(CHUNK, config.hidden());
        this.hidden = new float[windows.size()][];
        for (int w = 0; w < hidden.length; w++) {
            hidden[w] = new float[windows.get(w).length * config.hidden()];
        }
        embed(weights);
    }

    /** The embedding goes by in pieces; what of it the ids ask for is copied. */
    private void embed(WeightSource weights) {
        long[] at = {0};
        weights.embedding(piece -> {
            for (int w = 0; w < hidden.length; w++) {
                int[] ids = windows.get(w);
                for (int t = 0; t < ids.length; t++) {
                    copy(piece, at[0], ids[t], hidden[w], t);
                }
            }
            at[0] += piece.length;
        });
    }

    /** What a piece that begins at a value of the table has of an id's row. */
    private void copy(short[] piece, long begin, int id, float[] to, int row) {
        int width = config.hidden();
        long first = (long) id * width;
        int from = (int) Math.clamp(begin - first, 0, width);
        int end = (int) Math.clamp(begin + piece.length - first, 0, width);
        for (int c = from; c < end; c++) {
            to[row * width + c] = Bf16Bits.toFloat(piece[(int) (first + c - begin)]);
        }
    }

    /** Layers' inputs on the device, for layers by this recipe. */
    DecoderLayer.Buffers buffers(Recipe recipe) {
        return new DecoderLayer.Buffers(kernels, config, recipe, CHUNK, longest());
    }

    /** Positions of the longest window. */
    private int longest() {
        return windows.stream().mapToInt(w -> w.length).max().orElse(0);
    }

    /** A cache of one layer for the longest window. */
    KvCache cache(Recipe recipe) {
        int blocks = Math.ceilDiv(longest(), Kernels.BLOCK_TOKENS);
        return kernels.allocate(
                new KvShape(1, blocks, config.kvHeads(), config.headDim(), recipe.cache()));
    }

    /**
     * Runs a layer over all windows.
     *
     * @param observer null if nobody looks
     * @param advance whether what comes out is what the next layer gets
     */
    void run(
            DecoderLayer layer,
            KvCache cache,
            DecoderLayer.@Nullable Observer observer,
            boolean advance,
            DoubleConsumer progress) {
        int width = config.hidden();
        for (int w = 0; w < hidden.length; w++) {
            int length = windows.get(w).length;
            int[] blocks = new int[Math.ceilDiv(length, Kernels.BLOCK_TOKENS)];
            Arrays.setAll(blocks, i -> i);
            for (int from = 0; from < length; from += CHUNK) {
                int count = Math.min(CHUNK, length - from);
                int[] positions = new int[count];
                int first = from;
                Arrays.setAll(positions, i -> first + i);
                Rows.Span[] span = {new Rows.Span(0, count, blocks)};
                kernels.write(
                        rows, Arrays.copyOfRange(hidden[w], from * width, (from + count) * width));
                layer.run(
                        new Rows(new int[count], positions, span, new Rows.Segment[0]),
                        rows,
                        cache,
                        0,
                        observer);
                if (advance) {
                    float[] next = kernels.read(rows, count);
                    System.arraycopy(next, 0, hidden[w], from * width, next.length);
                }
            }
            progress.accept((w + 1.0) / hidden.length);
        }
    }
}
