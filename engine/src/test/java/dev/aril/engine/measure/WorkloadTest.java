package dev.aril.engine.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.measure.Workload.Arrivals;
import dev.aril.engine.measure.Workload.Plan;
import dev.aril.engine.measure.Workload.Request;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkloadTest {
    private static final Lengths PROMPT = new Lengths.LogNormal(98, 1);
    private static final Lengths OUTPUT = new Lengths.LogNormal(245, 0.8);

    private static Plan plan(Arrivals arrivals, Popularity popularity, long seed) {
        return new Plan(2000, arrivals, PROMPT, OUTPUT, 4096, popularity, seed);
    }

    @Test
    void theSameSeedGivesTheSameWorkload() {
        Arrivals arrivals = new Arrivals.Poisson(5);

        assertThat(plan(arrivals, Popularity.SKEWED, 7).draw())
                .isEqualTo(plan(arrivals, Popularity.SKEWED, 7).draw())
                .isNotEqualTo(plan(arrivals, Popularity.SKEWED, 8).draw());
    }

    @Test
    void plansThatDifferInOneThingAgreeInTheOthers() {
        List<Request> one = plan(new Arrivals.Poisson(5), Popularity.UNIFORM, 7).draw().requests();
        List<Request> two = plan(new Arrivals.Poisson(5), Popularity.NONE, 7).draw().requests();

        for (int i = 0; i < one.size(); i++) {
            Request base =
                    new Request(
                            one.get(i).arrival(),
                            one.get(i).promptTokens(),
                            one.get(i).outputTokens(),
                            null);
            assertThat(two.get(i)).isEqualTo(base);
        }
    }

    @Test
    void requestsComeAtTheRateAndAtRandom() {
        List<Request> requests =
                plan(new Arrivals.Poisson(5), Popularity.NONE, 1).draw().requests();

        assertThat(requests.getFirst().arrival()).isZero();
        double[] gaps = new double[requests.size() - 1];
        for (int i = 0; i < gaps.length; i++) {
            gaps[i] = requests.get(i + 1).arrival() - requests.get(i).arrival();
            assertThat(gaps[i]).isNotNegative();
        }
        // exponential: mean 0.2, median ln 2 of that; 2000 draws are within a few percent
        assertThat(requests.getLast().arrival() / gaps.length).isCloseTo(0.2, within(0.02));
        assertThat(Quantile.median(gaps)).isCloseTo(0.2 * Math.log(2), within(0.02));
    }

    @Test
    void clientsNeedNoTimes() {
        assertThat(plan(new Arrivals.Clients(3), Popularity.NONE, 1).draw().requests())
                .allMatch(request -> request.arrival() == 0);
    }

    @Test
    void lengthsFollowTheirDistributions() {
        Workload workload = plan(new Arrivals.Clients(1), Popularity.NONE, 1).draw();

        double n = workload.requests().size();
        assertThat(workload.promptTokens() / n).isCloseTo(161, within(16.0));
        assertThat(workload.outputTokens() / n).isCloseTo(338, within(25.0));
    }

    @Test
    void noLengthExceedsTheLongest() {
        Plan plan =
                new Plan(
                        500,
                        new Arrivals.Clients(1),
                        PROMPT,
                        new Lengths.Uniform(1, 300),
                        100,
                        Popularity.NONE,
                        1);

        assertThat(plan.draw().requests())
                .allMatch(r -> r.promptTokens() >= 1 && r.promptTokens() <= 100)
                .allMatch(r -> r.outputTokens() >= 1 && r.outputTokens() <= 100);
    }

    @Test
    void adaptersAreAsPopularAsAskedInAnOrderOfChance() {
        List<Request> requests =
                plan(new Arrivals.Clients(1), Popularity.SKEWED, 3).draw().requests();

        Map<Integer, Integer> counts = new HashMap<>();
        int changes = 0;
        for (int i = 0; i < requests.size(); i++) {
            Integer adapter = Objects.requireNonNull(requests.get(i).adapter());
            counts.merge(adapter, 1, Integer::sum);
            changes += i > 0 && !adapter.equals(requests.get(i - 1).adapter()) ? 1 : 0;
        }
        int[] expected = Popularity.SKEWED.counts(requests.size());
        for (int a = 0; a < expected.length; a++) {
            assertThat(counts).containsEntry(a, expected[a]);
        }
        assertThat(counts).hasSize(expected.length);
        assertThat(changes).isGreaterThan(requests.size() / 2);
    }

    @Test
    void lengthsAreReadAsTheyAreWritten() {
        assertThat(Lengths.parse("--prompt", "128")).isEqualTo(new Lengths.Fixed(128));
        for (Lengths lengths : List.of(PROMPT, new Lengths.Uniform(3, 9), new Lengths.Fixed(4))) {
            assertThat(Lengths.parse("--prompt", lengths.toString())).isEqualTo(lengths);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "0",
                "-3",
                "many",
                "lognormal",
                "lognormal:5",
                "lognormal:0:1",
                "lognormal:5:NaN",
                "lognormal:5:9",
                "uniform:0:5",
                "uniform:6:5",
                "zipf:1:2"
            })
    void otherLengthsAreRefusedWithWhatCanBeWritten(String text) {
        assertThatThrownBy(() -> Lengths.parse("--output", text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(
                        "--output", "lognormal:MEDIAN:SIGMA", "uniform:FIRST:LAST", text);
    }

    @Test
    void quantilesLieBetweenTheirNeighbours() {
        double[] values = {4, 1, 3, 2};

        assertThat(Quantile.median(values)).isEqualTo(2.5);
        assertThat(Quantile.of(values, 0)).isEqualTo(1);
        assertThat(Quantile.of(values, 1)).isEqualTo(4);
        assertThat(Quantile.of(values, 0.99)).isCloseTo(3.97, within(1e-9));
        assertThat(Quantile.of(new double[0], 0.5)).isNaN();
        assertThat(values).as("not sorted in place").containsExactly(4, 1, 3, 2);
    }
}
