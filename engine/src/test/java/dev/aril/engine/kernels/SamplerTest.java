package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.SamplingParams;
import dev.aril.engine.model.Draws;
import dev.aril.engine.schedule.AdapterLoader;
import dev.aril.engine.schedule.KvBlocks;
import dev.aril.engine.schedule.ResidentAdapters;
import dev.aril.engine.schedule.Scheduler;
import dev.aril.engine.schedule.Sequence;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SamplerTest {
    private static final int[] PROMPT = {1, 2, 2, 3};
    private static final int[] COMPLETION = {3, 4, 4, 4, 5};

    private static SamplingParams params(
            double temperature, double topP, int topK, double minP, double... penalties) {
        return new SamplingParams(
                1000,
                temperature,
                topP,
                topK,
                minP,
                null,
                penalties.length > 0 ? penalties[0] : 1,
                penalties.length > 1 ? penalties[1] : 0,
                penalties.length > 2 ? penalties[2] : 0,
                List.of(),
                Set.of(),
                false);
    }

    private static Sequence sequence(SamplingParams params, long seed, int[] prompt) {
        return new Sequence("s", "f", prompt, null, params, seed);
    }

    /** A sequence that has generated so much already. */
    private static Sequence sequence(
            SamplingParams params, long seed, int[] prompt, int[] completion) {
        Sequence sequence = sequence(params, seed, prompt);
        AdapterLoader none =
                new AdapterLoader() {
                    @Override
                    public void load(AdapterRef adapter, int slot) {
                        throw new AssertionError("no adapter is asked for");
                    }

                    @Override
                    public void evict(int slot) {
                        throw new AssertionError("no adapter is there");
                    }
                };
        Scheduler scheduler =
                new Scheduler(64, 1, new KvBlocks(100, 16), new ResidentAdapters(0, 0, none));
        scheduler.admit(sequence);
        for (int id : completion) {
            scheduler.commit(scheduler.next(), new int[] {id});
        }
        return sequence;
    }

    private static Draw draw(SamplingParams params, long seed, int[] prompt) {
        return Draws.of(sequence(params, seed, prompt));
    }

    private static Draw draw(SamplingParams params, long seed, int[] prompt, int[] completion) {
        return Draws.of(sequence(params, seed, prompt, completion));
    }

    /** The distribution by its definition: doubles, full sorts, one filter after the other. */
    private static double[] expected(float[] logits, SamplingParams p, int[] prompt, int[] done) {
        double[] score = new double[logits.length];
        for (int id = 0; id < logits.length; id++) {
            int it = id;
            long inPrompt = IntStream.of(prompt).filter(t -> t == it).count();
            long inDone = IntStream.of(done).filter(t -> t == it).count();
            score[id] = logits[id];
            if (inPrompt + inDone > 0) {
                score[id] =
                        score[id] > 0
                                ? score[id] / p.repetitionPenalty()
                                : score[id] * p.repetitionPenalty();
            }
            if (inDone > 0) {
                score[id] -= p.presencePenalty() + inDone * p.frequencyPenalty();
            }
            score[id] /= p.temperature();
        }
        List<Integer> order = new ArrayList<>(IntStream.range(0, score.length).boxed().toList());
        order.sort(Comparator.comparingDouble((Integer id) -> -score[id]).thenComparing(id -> id));
        if (p.topK() > 0) {
            order = order.subList(0, Math.min(p.topK(), order.size()));
        }
        double[] probability = softmax(score, order);
        List<Integer> kept = new ArrayList<>();
        double sum = 0;
        for (int id : order) {
            if (kept.isEmpty() || sum < p.topP()) {
                kept.add(id);
            }
            sum += probability[id];
        }
        double[] afterTopP = softmax(score, kept);
        double most = afterTopP[kept.getFirst()];
        kept.removeIf(id -> afterTopP[id] < p.minP() * most);
        return softmax(score, kept);
    }

    private static double[] softmax(double[] score, List<Integer> ids) {
        double[] probability = new double[score.length];
        double sum = 0;
        for (int id : ids) {
            probability[id] = Math.exp(score[id] - score[ids.getFirst()]);
            sum += probability[id];
        }
        for (int id : ids) {
            probability[id] /= sum;
        }
        return probability;
    }

    private static float[] logits(Random random, int vocabulary, double spread) {
        float[] logits = new float[vocabulary];
        for (int i = 0; i < vocabulary; i++) {
            logits[i] = (float) (spread * random.nextGaussian());
        }
        return logits;
    }

    @Test
    void drawsFollowTheDefinition() {
        Random random = new Random(7);
        int draws = 6_000;
        for (SamplingParams p :
                List.of(
                        params(1, 1, 0, 0),
                        params(0.7, 1, 5, 0),
                        params(1.3, 0.8, 0, 0),
                        params(1, 1, 0, 0.2),
                        params(0.9, 0.9, 12, 0.05),
                        params(1, 1, 0, 0, 1.4, 0.5, 0.3),
                        params(1.5, 0.95, 15, 0.02, 0.8, -0.5, -0.25))) {
            float[] logits = logits(random, 20, 1.5);
            float[] row = new float[60];
            System.arraycopy(logits, 0, row, 20, 20);
            Sampler sampler = new Sampler(20);
            double[] expected = expected(logits, p, PROMPT, COMPLETION);
            int[] seen = new int[20];
            for (int seed = 0; seed < draws; seed++) {
                seen[sampler.sample(row, 20, draw(p, seed, PROMPT, COMPLETION))]++;
            }
            double chiSquare = 0;
            int classes = 0;
            for (int id = 0; id < 20; id++) {
                if (expected[id] == 0) {
                    assertThat(seen[id]).as("draws of the filtered id %s", id).isZero();
                } else {
                    double e = expected[id] * draws;
                    chiSquare += (seen[id] - e) * (seen[id] - e) / e;
                    classes++;
                }
            }
            // the 99.99 % point of chi-square lies below n + 4 sqrt(2n) + 10
            double n = classes - 1;
            assertThat(chiSquare).as("%s", p).isLessThan(n + 4 * Math.sqrt(2 * n) + 10);
            assertThat(classes).isGreaterThan(1);
        }
    }

    @Test
    void keepsExactlyTheIdsOfTheDefinition() {
        Random random = new Random(11);
        for (int round = 0; round < 300; round++) {
            int vocabulary = 2 + random.nextInt(60);
            // coarse scores make ties
            float[] logits = logits(random, vocabulary, 2);
            if (round % 3 == 0) {
                for (int i = 0; i < vocabulary; i++) {
                    logits[i] = Math.round(logits[i]);
                }
            }
            SamplingParams p =
                    params(
                            0.2 + 1.8 * random.nextDouble(),
                            random.nextBoolean() ? 1 : 0.05 + 0.9 * random.nextDouble(),
                            random.nextInt(vocabulary + 3),
                            random.nextBoolean() ? 0 : 0.3 * random.nextDouble());
            double[] expected = expected(logits, p, new int[] {0}, new int[0]);
            Sampler sampler = new Sampler(vocabulary);
            Set<Integer> seen = new TreeSet<>();
            for (int seed = 0; seed < 200; seed++) {
                seen.add(sampler.sample(logits, 0, draw(p, seed, new int[] {0})));
            }
            for (int id : seen) {
                assertThat(expected[id]).as("round %s id %s", round, id).isPositive();
            }
            for (int id = 0; id < vocabulary; id++) {
                if (expected[id] > 0.1) {
                    assertThat(seen).contains(id);
                }
            }
        }
    }

    @Test
    void penaltiesCountCompletionAndPrompt() {
        // prompt 0 0 1, completion 2 2 3: greedy shows the order of the penalized scores
        float[] logits = {2, 2, 2, 2, 1.1f, -1};
        Draw plain = draw(params(0, 1, 0, 0), 0, new int[] {0, 0, 1});
        Sampler sampler = new Sampler(6);
        assertThat(sampler.sample(logits, 0, plain)).isZero();
        assertThat(sampler.sample(logits, 0, draw(params(0, 1, 0, 0, 2), 0, new int[] {0, 1})))
                .isEqualTo(2);
        assertThat(
                        sampler.sample(
                                logits, 0, draw(params(0, 1, 0, 0, 2), 0, new int[] {0, 1, 2, 3})))
                .isEqualTo(4);
        assertThat(logits).containsExactly(2, 2, 2, 2, 1.1f, -1);
        // nothing is left behind from the call before
        assertThat(sampler.sample(logits, 0, plain)).isZero();
        assertThat(sampler.sample(logits, 0, draw(params(0, 1, 0, 0, 1, 2), 0, new int[] {0, 1})))
                .as("presence counts the completion only")
                .isZero();
    }

    @Test
    void greedyTakesTheLowestOfTheHighest() {
        float[] logits = {-3, 4, 4, 2, 4};
        assertThat(new Sampler(5).sample(logits, 0, draw(params(0, 0.1, 3, 0.5), 9, PROMPT)))
                .isEqualTo(1);
    }

    @Test
    void aSeedAndAPositionFixTheDraw() {
        Random random = new Random(3);
        float[] logits = logits(random, 1000, 1);
        SamplingParams p = params(1, 0.95, 0, 0);
        int[] once = new int[500];
        int[] again = new int[500];
        Sampler one = new Sampler(1000);
        Sampler other = new Sampler(1000);
        Arrays.setAll(once, seed -> one.sample(logits, 0, draw(p, seed, PROMPT)));
        for (int seed = 499; seed >= 0; seed--) {
            // in between, others are sampled
            other.sample(logits, 0, draw(params(1, 1, 7, 0), seed, PROMPT));
            again[seed] = other.sample(logits, 0, draw(p, seed, PROMPT));
        }
        assertThat(again).containsExactly(once);
        assertThat(IntStream.of(once).distinct().count()).isGreaterThan(200);
        int[] positions = new int[200];
        Arrays.setAll(positions, n -> one.sample(logits, 0, draw(p, 5, PROMPT, new int[n])));
        assertThat(IntStream.of(positions).distinct().count()).isGreaterThan(100);
    }

    @Test
    void tinyTemperaturesAndInfiniteLogitsAreFine() {
        float[] logits = {1, 3, Float.NEGATIVE_INFINITY, 2.9999f};
        for (int seed = 0; seed < 50; seed++) {
            assertThat(new Sampler(4).sample(logits, 0, draw(params(1e-9, 1, 0, 0), seed, PROMPT)))
                    .isEqualTo(1);
            assertThat(new Sampler(4).sample(logits, 0, draw(params(2, 0.99, 4, 0), seed, PROMPT)))
                    .isNotEqualTo(2);
        }
    }

    @Test
    void aDivergedModelIsSaid() {
        Draw s = draw(params(1, 1, 0, 0), 0, new int[] {0});
        assertThat(new Sampler(2).sample(new float[] {1, Float.NaN}, 0, s))
                .isEqualTo(Kernels.DIVERGED);
        assertThat(new Sampler(1).sample(new float[] {Float.NEGATIVE_INFINITY}, 0, s))
                .isEqualTo(Kernels.DIVERGED);
        assertThat(new Sampler(2).sample(new float[] {1, Float.POSITIVE_INFINITY}, 0, s))
                .isEqualTo(Kernels.DIVERGED);
    }
}
