package dev.aril.engine.kernels;

import java.util.Arrays;

/**
 * Which id comes next? Biases, repetition, presence and frequency penalties, temperature, top-k,
 * top-p, min-p, then a draw, in the order of transformers and vLLM.
 *
 * <p>An id's weight is exp(distance of its score from the best one / temperature) as an integer, in
 * units of 2^-44: so that sums are exact, whoever makes them and in which order, and the GPU
 * (sample.cu) draws the same id. The draw takes the kept ids in ascending order: the first at which
 * the sum of weights exceeds bits / 2^64 of their total, with bits a function of seed and position
 * alone.
 *
 * <p>Keeps scratch memory of the vocabulary's size: use one by one thread.
 */
public final class Sampler {
    /** The best id's weight. */
    static final double ONE = 0x1p44;

    private static final long ID_BITS = 0xFFFFFFFFL;

    private final int vocabulary;

    /** The logits after biases and penalties. */
    private final float[] scores;

    private final long[] weights;

    /** Candidates: the score's order in the upper half, the id's in the lower. */
    private final long[] candidates;

    /**
     * @param vocabulary number of ids
     */
    public Sampler(int vocabulary) {
        this.vocabulary = vocabulary;
        this.scores = new float[vocabulary];
        this.weights = new long[vocabulary];
        this.candidates = new long[vocabulary];
    }

    int vocabulary() {
        return vocabulary;
    }

    /**
     * @param logits row-major; not changed
     * @param offset where the row of [vocabulary] begins
     * @return an id, or {@link Kernels#DIVERGED}
     */
    public int sample(float[] logits, int offset, Draw draw) {
        System.arraycopy(logits, offset, scores, 0, vocabulary);
        bias(draw);
        penalize(draw);
        int best = best();
        double inverse = draw.inverse();
        if (best == Kernels.DIVERGED || inverse == 0) {
            return best;
        }
        for (int id = 0; id < vocabulary; id++) {
            double distance = ((double) scores[best] - scores[id]) * inverse;
            weights[id] = (long) Math.rint(Math.exp(-distance) * ONE);
        }
        return pick(threshold(draw), draw);
    }

    private void bias(Draw draw) {
        for (int i = 0; i < draw.biases().length; i++) {
            scores[draw.ids()[i]] += draw.biases()[i];
        }
    }

    /** CTRL's repetition penalty, then OpenAI's presence and frequency penalties. */
    private void penalize(Draw draw) {
        float repetition = (float) draw.repetition();
        for (int i = 0; i < draw.ids().length; i++) {
            int id = draw.ids()[i];
            int count = draw.counts()[i];
            if (repetition != 1 && count >= 0) {
                scores[id] = scores[id] > 0 ? scores[id] / repetition : scores[id] * repetition;
            }
            if (count > 0) {
                scores[id] -= (float) (draw.presence() + draw.frequency() * count);
            }
        }
    }

    /** The highest score's id, the lowest of several. */
    private int best() {
        int best = Kernels.DIVERGED;
        float highest = Float.NEGATIVE_INFINITY;
        for (int id = 0; id < vocabulary; id++) {
            if (scores[id] > highest) {
                highest = scores[id];
                best = id;
            } else if (Float.isNaN(scores[id])) {
                return Kernels.DIVERGED;
            }
        }
        return highest == Float.POSITIVE_INFINITY ? Kernels.DIVERGED : best;
    }

    /** The last candidate, in the order of scores, that top-k and top-p keep. */
    private long threshold(Draw draw) {
        int count = 0;
        for (int id = 0; id < vocabulary; id++) {
            if (weights[id] > 0) {
                candidates[count++] = candidate(id);
            }
        }
        boolean some = draw.topK() > 0 && draw.topK() < count;
        if (some) {
            mostLikely(count, draw.topK());
            count = draw.topK();
        }
        if (draw.topP() == 1) {
            return some ? Arrays.stream(candidates, 0, count).min().orElseThrow() : Long.MIN_VALUE;
        }
        long total = 0;
        for (int i = 0; i < count; i++) {
            total += weights[id(candidates[i])];
        }
        long enough = (long) Math.ceil(draw.topP() * total);
        // ids that even together weigh less than what top-p drops need not be sorted
        long light = (total - enough) / count;
        int kept = 0;
        for (int i = 0; i < count; i++) {
            if (weights[id(candidates[i])] >= light) {
                candidates[kept++] = candidates[i];
            }
        }
        Arrays.sort(candidates, 0, kept);
        int last = kept;
        long sum = 0;
        do {
            sum += weights[id(candidates[--last])];
        } while (last > 0 && sum < enough);
        return candidates[last];
    }

    /** Draws from the ids that are kept. */
    private int pick(long threshold, Draw draw) {
        long least = draw.least();
        long total = 0;
        for (int id = 0; id < vocabulary; id++) {
            if (weights[id] < least || candidate(id) < threshold) {
                weights[id] = 0;
            }
            total += weights[id];
        }
        long left = Math.unsignedMultiplyHigh(Philox.bits(draw.seed(), draw.position()), total);
        int id = 0;
        while (left >= weights[id]) {
            left -= weights[id++];
        }
        return id;
    }

    /** Puts the k most likely of the first {@code count} candidates at the front, in any order. */
    private void mostLikely(int count, int k) {
        // Hoare's selection, the largest first
        int low = 0;
        int high = count - 1;
        while (low < high) {
            long pivot = candidates[(low + high) >>> 1];
            int i = low;
            int j = high;
            while (i <= j) {
                while (candidates[i] > pivot) {
                    i++;
                }
                while (candidates[j] < pivot) {
                    j--;
                }
                if (i <= j) {
                    long swapped = candidates[i];
                    candidates[i++] = candidates[j];
                    candidates[j--] = swapped;
                }
            }
            if (k - 1 <= j) {
                high = j;
            } else if (k - 1 >= i) {
                low = i;
            } else {
                return;
            }
        }
    }

    /** Ordered as the scores are; of equal scores the lower id is the larger candidate. */
    private long candidate(int id) {
        // adding zero makes -0 and 0 equal
        int bits = Float.floatToRawIntBits(scores[id] + 0f);
        int ordered = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
        return (long) ordered << 32 | (ID_BITS - id);
    }

    private static int id(long candidate) {
        return (int) (ID_BITS - (candidate & ID_BITS));
    }
}
