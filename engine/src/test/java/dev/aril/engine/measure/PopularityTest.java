package dev.aril.engine.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Against the definitions of Punica, arXiv 2310.18547, section 7. */
class PopularityTest {
    @ParameterizedTest
    @EnumSource(value = Popularity.class, mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void givesEachRequestOneAdapterAndThePopularFirst(Popularity popularity) {
        for (int requests = 1; requests <= 300; requests++) {
            int[] counts = popularity.counts(requests);
            assertThat(Arrays.stream(counts).sum()).isEqualTo(requests);
            assertThat(Arrays.stream(counts).allMatch(c -> c >= 1)).isTrue();
            assertThat(IntStream.range(1, counts.length).allMatch(i -> counts[i] <= counts[i - 1]))
                    .isTrue();
        }
    }

    @Test
    void distinctAndIdenticalAreTheExtremes() {
        assertThat(Popularity.NONE.counts(5)).isEmpty();
        assertThat(Popularity.DISTINCT.counts(5)).containsExactly(1, 1, 1, 1, 1);
        assertThat(Popularity.IDENTICAL.counts(5)).containsExactly(5);
    }

    @Test
    void uniformHasTheSquareRootOfAdapters() {
        assertThat(Popularity.UNIFORM.counts(64)).containsExactly(8, 8, 8, 8, 8, 8, 8, 8);
        assertThat(Popularity.UNIFORM.counts(10)).containsExactly(3, 3, 2, 2);
        assertThat(Popularity.UNIFORM.counts(1)).containsExactly(1);
    }

    @Test
    void skewedGrowsByHalf() {
        // 1, 1.5, 2.25, 3.375, … rounded down; the rest is one more
        assertThat(Popularity.SKEWED.counts(64)).containsExactly(17, 17, 11, 7, 5, 3, 2, 1, 1);
        assertThat(Popularity.SKEWED.counts(16)).containsExactly(5, 4, 3, 2, 1, 1);
        assertThat(Popularity.SKEWED.counts(1)).containsExactly(1);
    }

    @Test
    void anUnknownOneIsRefusedWithThoseThereAre() {
        assertThat(Popularity.named("skewed")).isEqualTo(Popularity.SKEWED);
        assertThatThrownBy(() -> Popularity.named("zipf"))
                .hasMessage(
                        "--popularity must be some of none,identical,uniform,skewed,distinct,"
                                + " not \"zipf\"");
    }
}
