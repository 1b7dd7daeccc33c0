package dev.aril.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TokenLogprobsTest {
    @Test
    void isTheLogSoftmaxAndTheFullSortsBeginning() {
        Random random = new Random(5);
        for (int round = 0; round < 200; round++) {
            int vocabulary = 1 + random.nextInt(60);
            int offset = random.nextInt(3);
            float[] logits = new float[offset + vocabulary];
            for (int i = 0; i < logits.length; i++) {
                // coarse ones make ties
                double x = 3 * random.nextGaussian();
                logits[i] = round % 2 == 0 ? (float) x : Math.round(x);
            }
            int id = random.nextInt(vocabulary);
            int top = random.nextInt(21);
            TokenLogprobs told = TokenLogprobs.of(logits, offset, vocabulary, id, top);

            double sum =
                    IntStream.range(0, vocabulary)
                            .mapToDouble(i -> Math.exp(logits[offset + i]))
                            .sum();
            List<Integer> order =
                    IntStream.range(0, vocabulary)
                            .boxed()
                            .sorted(
                                    Comparator.comparingDouble((Integer i) -> -logits[offset + i])
                                            .thenComparing(i -> i))
                            .limit(top)
                            .toList();
            assertThat(told.id()).isEqualTo(id);
            assertThat((double) told.logprob())
                    .isCloseTo(logits[offset + id] - Math.log(sum), within(1e-5));
            assertThat(told.topIds()).containsExactly(order.stream().mapToInt(i -> i).toArray());
            for (int i = 0; i < order.size(); i++) {
                assertThat((double) told.topLogprobs()[i])
                        .isCloseTo(logits[offset + order.get(i)] - Math.log(sum), within(1e-5));
            }
        }
    }

    @Test
    void largeAndInfiniteLogitsAreFine() {
        float[] logits = {3e38f, Float.NEGATIVE_INFINITY, -3e38f, 3e38f};
        TokenLogprobs told = TokenLogprobs.of(logits, 0, 4, 1, 4);
        assertThat(told.logprob()).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(told.topIds()).containsExactly(0, 3, 2, 1);
        assertThat((double) told.topLogprobs()[0]).isCloseTo(-Math.log(2), within(1e-6));
    }
}
