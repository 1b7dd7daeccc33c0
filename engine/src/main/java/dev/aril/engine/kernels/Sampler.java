package dev.aril.engine.kernels;

import java.util.Arrays;
import java.util.List;

/**
 * Which id comes next? Repetition, presence and frequency penalties, temperature, top-k, top-p,
 * min-p, then a draw, in the order of transformers and vLLM. The draw is a function of the
 * sequence's seed and its position alone, so neighbours in the batch change nothing.
 *
 * <p>Keeps scratch memory of the vocabulary's size: use one by one thread.
 */
final class Sampler {
    private static final long ID_BITS = 0xFFFFFFFFL;

    private final int vocabulary;

    /** The logits after penalties. */
    private final float[] scores;

    /** Candidates: the score's order in the upper half, the id's in the lower. */
    private final long[] candidates;

    private final double[] weights;

    /**
     * @param vocabulary number of ids
     */
    Sampler(int vocabulary) {
        this.vocabulary = vocabulary;
        this.scores = new float[vocabulary];
        this.candidates = new long[vocabulary];
        this.weights = new double[vocabulary];
    }

    int vocabulary() {
        return vocabulary;
    }

    /**
     * @param logits [draws, vocabulary]; not changed
     * @return [draws] an id or {@link Kernels#DIVERGED}
     */
    int[] sample(float[] logits, List<Draw> draws) {
        int[] ids = new int[draws.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = sample(logits, i * vocabulary, draws.get(i));
        }
        return ids;
    }

    /**
     * @param logits row-major; not changed
     * @param offset where the row of [vocabulary] begins
     * @return an id, or {@link Kernels#DIVERGED} if the logits hold no largest number
     */
    int sample(float[] logits, int offset, Draw draw) {
        System.arraycopy(logits, offset, scores, 0, vocabulary);
        penalize(draw);
        int best = best();
        if (best == Kernels.DIVERGED || draw.temperature() == 0) {
            return best;
        }
        double uniform = Philox.uniform(draw.seed(), draw.position());
        if (draw.topK() == 0 && draw.topP() == 1 && draw.minP() == 0) {
            return drawFromAll(best, draw.temperature(), uniform);
        }
        return drawFromSome(best, draw, uniform);
    }

    /** CTRL's repetition penalty, then OpenAI's presence and frequency penalties. */
    private void penalize(Draw draw) {
        float repetition = (float) draw.repetition();
        for (int i = 0; i < draw.ids().length; i++) {
            int id = draw.ids()[i];
            if (repetition != 1) {
                scores[id] = scores[id] > 0 ? scores[id] / repetition : scores[id] * repetition;
            }
            if (draw.counts()[i] != 0) {
                scores[id] -= (float) (draw.presence() + draw.frequency() * draw.counts()[i]);
            }
        }
    }

    /** The highest score's id, the lowest of several; {@link Kernels#DIVERGED} if there is none. */
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

    private double weight(int id, int best, double temperature) {
        return Math.exp(((double) scores[id] - scores[best]) / temperature);
    }

    private int drawFromAll(int best, double temperature, double draw) {
        double total = 0;
        for (int id = 0; id < vocabulary; id++) {
            weights[id] = weight(id, best, temperature);
            total += weights[id];
        }
        double left = draw * total;
        for (int id = 0; id < vocabulary; id++) {
            left -= weights[id];
            if (left < 0) {
                return id;
            }
        }
        // the sum was rounded up
        return best;
    }

    private int drawFromSome(int best, Draw params, double draw) {
        double temperature = params.temperature();
        int count = mostLikely(params.topK());
        double total = 0;
        for (int i = count - 1; i >= 0; i--) {
            total += weight(id(candidates[i]), best, temperature);
        }
        if (params.topP() < 1) {
            // ids that even together weigh less than what top-p drops need not be sorted
            double least = (1 - params.topP()) * total / count;
            int kept = 0;
            for (int i = 0; i < count; i++) {
                if (weight(id(candidates[i]), best, temperature) >= least) {
                    candidates[kept++] = candidates[i];
                }
            }
            count = kept;
        }
        Arrays.sort(candidates, 0, count);
        double enough = params.topP() * total;
        double sum = 0;
        int kept = 0;
        for (int i = count - 1; i >= 0 && (kept == 0 || sum < enough); i--) {
            double weight = weight(id(candidates[i]), best, temperature);
            if (weight < params.minP()) {
                break;
            }
            weights[kept++] = weight;
            sum += weight;
        }
        double left = draw * sum;
        for (int i = 0; i < kept; i++) {
            left -= weights[i];
            if (left < 0) {
                return id(candidates[count - 1 - i]);
            }
        }
        return best;
    }

    /**
     * Puts the k most likely ids, or all if k is 0, at the front of the candidates in any order.
     *
     * @return how many
     */
    private int mostLikely(int k) {
        for (int id = 0; id < vocabulary; id++) {
            candidates[id] = candidate(id);
        }
        if (k == 0 || k >= vocabulary) {
            return vocabulary;
        }
        // Hoare's selection, the largest first
        int low = 0;
        int high = vocabulary - 1;
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
                break;
            }
        }
        return k;
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
