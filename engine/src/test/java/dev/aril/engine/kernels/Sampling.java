package dev.aril.engine.kernels;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

/** Cases for samplers, and what an id's choice is by its definition: full sorts, no shortcut. */
final class Sampling {
    /**
     * @param logits [rows * vocabulary]
     */
    record Case(int vocabulary, float[] logits, List<Draw> draws) {}

    private Sampling() {}

    /** Rows of all sorts: ties, flat and steep ones, infinities, with any options. */
    static Case random(Random random, int rows, int vocabulary) {
        float[] logits = new float[rows * vocabulary];
        List<Draw> draws = new ArrayList<>();
        for (int r = 0; r < rows; r++) {
            int kind = random.nextInt(7);
            double spread = kind == 0 ? 0.02 : kind == 1 ? 12 : 0.5 + 3 * random.nextDouble();
            for (int id = 0; id < vocabulary; id++) {
                double x = spread * random.nextGaussian();
                logits[r * vocabulary + id] =
                        switch (kind) {
                            case 2 -> Math.round(x);
                            case 3 -> id % 3 == 0 ? 0f : -0f;
                            case 4 -> id > 0 && random.nextBoolean() ? Float.NEGATIVE_INFINITY : 1;
                            default -> (float) x;
                        };
            }
            draws.add(draw(random, vocabulary));
        }
        return new Case(vocabulary, logits, draws);
    }

    private static Draw draw(Random random, int vocabulary) {
        int penalized = random.nextBoolean() ? 0 : random.nextInt(Math.min(vocabulary, 300) + 1);
        int[] ids = random.ints(0, vocabulary).distinct().limit(penalized).toArray();
        int[] counts = random.ints(ids.length, 0, 4).toArray();
        // the first have a bias; some of these are in neither prompt nor completion
        float[] biases = new float[random.nextInt(ids.length + 1)];
        for (int i = 0; i < biases.length; i++) {
            biases[i] = (float) (random.nextInt(4) == 0 ? -100 : 6 * random.nextGaussian());
            counts[i] -= random.nextInt(2) == 0 && counts[i] == 0 ? 1 : 0;
        }
        return new Draw(
                random.nextInt(6) == 0
                        ? 0
                        : random.nextInt(6) == 0 ? 1e-9 : 2 * random.nextDouble(),
                random.nextBoolean() ? 1 : 0.01 + 0.98 * random.nextDouble(),
                random.nextInt(3) > 0 ? 0 : random.nextInt(4) == 0 ? 1 : 0.3 * random.nextDouble(),
                random.nextBoolean()
                        ? 0
                        : 1 + random.nextInt(random.nextBoolean() ? 9 : vocabulary),
                random.nextLong(),
                random.nextLong(),
                random.nextBoolean() ? 1 : 0.5 + 1.5 * random.nextDouble(),
                random.nextBoolean() ? 0 : 4 * random.nextDouble() - 2,
                random.nextBoolean() ? 0 : 4 * random.nextDouble() - 2,
                ids,
                counts,
                biases,
                random.nextInt(3) == 0 ? random.nextInt(21) : Draw.NOT_SCORED,
                random.nextInt(9) == 0 ? random.nextInt(vocabulary) : Draw.DRAWN);
    }

    static int expected(Case c, int row) {
        Draw draw = c.draws.get(row);
        List<Float> scores = new ArrayList<>();
        for (int id = 0; id < c.vocabulary; id++) {
            scores.add(c.logits[row * c.vocabulary + id]);
        }
        for (int i = 0; i < draw.ids().length; i++) {
            float score = scores.get(draw.ids()[i]);
            if (i < draw.biases().length) {
                score += draw.biases()[i];
            }
            if (draw.counts()[i] >= 0) {
                float by = (float) draw.repetition();
                score = score > 0 ? score / by : score * by;
            }
            if (draw.counts()[i] > 0) {
                score -= (float) (draw.presence() + draw.frequency() * draw.counts()[i]);
            }
            scores.set(draw.ids()[i], score);
        }
        List<Integer> order = new ArrayList<>();
        for (int id = 0; id < c.vocabulary; id++) {
            order.add(id);
        }
        // equal scores, -0 and 0 among them, stay in the ids' order
        order.sort(Comparator.comparingDouble((Integer id) -> -(scores.get(id) + 0f) + 0.0));
        int best = order.getFirst();
        if (draw.temperature() == 0) {
            return best;
        }
        double inverse = Math.min(1 / draw.temperature(), Double.MAX_VALUE);
        long[] weights = new long[c.vocabulary];
        for (int id = 0; id < c.vocabulary; id++) {
            double distance = ((double) scores.get(best) - scores.get(id)) * inverse;
            weights[id] = Math.round(0x1p44 * Math.exp(-distance));
        }
        int count = draw.topK() == 0 ? c.vocabulary : Math.min(draw.topK(), c.vocabulary);
        List<Integer> kept = new ArrayList<>(order.subList(0, count));
        long enough = (long) Math.ceil(draw.topP() * sum(kept, weights));
        long sum = 0;
        for (int i = 0; i < kept.size() && draw.topP() < 1; i++) {
            sum += weights[kept.get(i)];
            if (sum >= enough) {
                kept = kept.subList(0, i + 1);
            }
        }
        List<Integer> drawn = new ArrayList<>(kept);
        drawn.removeIf(id -> weights[id] < draw.minP() * 0x1p44);
        drawn.sort(Comparator.naturalOrder());
        long left =
                Math.unsignedMultiplyHigh(
                        Philox.bits(draw.seed(), draw.position()), sum(drawn, weights));
        for (int id : drawn) {
            left -= weights[id];
            if (left < 0) {
                return id;
            }
        }
        throw new AssertionError("the weights are more than their sum");
    }

    private static long sum(List<Integer> ids, long[] weights) {
        return ids.stream().mapToLong(id -> weights[id]).sum();
    }
}
