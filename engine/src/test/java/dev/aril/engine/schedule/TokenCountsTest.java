package dev.aril.engine.schedule;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TokenCountsTest {
    @Test
    void countsWhatAMapCounts() {
        Random random = new Random(2);
        for (int range : new int[] {1, 20, 5_000, 128_256}) {
            TokenCounts counts = new TokenCounts();
            Map<Integer, Integer> expected = new LinkedHashMap<>();
            for (int i = 0; i < 6_000; i++) {
                // multiples of a power of two collide in a poor hash table
                int id = random.nextInt(range) & (i % 2 == 0 ? -1 : -64);
                boolean inCompletion = i >= 1_000;
                counts.add(id, inCompletion);
                expected.merge(id, inCompletion ? 1 : 0, Integer::sum);
            }
            assertThat(counts.ids())
                    .containsExactly(
                            expected.keySet().stream().mapToInt(Integer::intValue).toArray());
            assertThat(counts.counts())
                    .containsExactly(
                            expected.values().stream().mapToInt(Integer::intValue).toArray());
        }
    }
}
