package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.measure.Scorer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The bf16 recipe on the CPU against outputs recorded from transformers and peft in fp32. */
class GoldenTest {
    private static final Path MODEL = Path.of("../models/novella-11m");

    /** Two continuations this close may part ways by rounding alone. */
    private static final double UNDECIDED = 0.02;

    @ParameterizedTest
    @ValueSource(strings = {"base", "sherlock", "shakespeare", "sql"})
    void reproducesTheRecordedOutputs(String name) throws Exception {
        JsonNode cases =
                JsonMapper.shared()
                        .readTree(Files.readAllBytes(MODEL.resolve("golden/golden.json")))
                        .path(name);
        assertThat(cases.size()).isPositive();
        try (Checkpoint checkpoint = Checkpoint.open(MODEL);
                CpuKernels kernels = new CpuKernels(0)) {
            Forward forward = new Forward(checkpoint, kernels, Scorer.CHUNK, 0);
            Adapter adapter =
                    name.equals("base")
                            ? null
                            : forward.load(
                                    PeftAdapter.read(
                                            MODEL.resolve("adapters").resolve(name),
                                            checkpoint.config()));
            for (JsonNode recorded : cases) {
                check(recorded, new Scorer(forward), adapter);
            }
        }
    }

    private static void check(JsonNode recorded, Scorer scorer, @Nullable Adapter adapter) {
        int[] ids = ints(recorded.path("input_ids"));
        double[] logProbabilities = scorer.score(ids, adapter);
        JsonNode expected = recorded.path("prompt_logprobs");
        assertThat(expected.size()).isEqualTo(logProbabilities.length);
        for (int i = 0; i < logProbabilities.length; i++) {
            assertThat(logProbabilities[i]).isCloseTo(expected.path(i).asDouble(), within(0.002));
        }
        double[][] last = new double[1][];
        scorer.run(
                ids,
                0,
                adapter,
                (position, logits, offset) -> last[0] = scorer.logProbabilities(logits, offset));
        checkTop(recorded.path("top10"), last[0]);
        checkGreedy(recorded, ids, scorer, adapter, last[0]);
    }

    /** Ids in order, wherever neighbours in the record differ by more than 0.01. */
    private static void checkTop(JsonNode top, double[] logProbabilities) {
        assertThat(top.size()).isEqualTo(10);
        for (int i = 0; i < top.size(); i++) {
            int id = top.path(i).path(0).asInt();
            double value = top.path(i).path(1).asDouble();
            assertThat(logProbabilities[id]).isCloseTo(value, within(0.002));
            for (int j = 0; j < i; j++) {
                if (top.path(j).path(1).asDouble() - value > 0.01) {
                    assertThat(logProbabilities[top.path(j).path(0).asInt()])
                            .isGreaterThan(logProbabilities[id]);
                }
            }
        }
        double tenth = top.path(9).path(1).asDouble();
        long better = Arrays.stream(logProbabilities).filter(p -> p > tenth + 0.01).count();
        assertThat(better).isLessThan(10);
    }

    private static void checkGreedy(
            JsonNode recorded,
            int[] prompt,
            Scorer scorer,
            @Nullable Adapter adapter,
            double[] first) {
        int[] greedy = ints(recorded.path("greedy_ids"));
        JsonNode gaps = recorded.path("greedy_top2_gap");
        assertThat(greedy.length).isPositive();
        assertThat(gaps.size()).isEqualTo(greedy.length);
        int[] ids = prompt;
        double[] next = first;
        for (int i = 0; i < greedy.length; i++) {
            if (gaps.path(i).asDouble() < UNDECIDED) {
                return;
            }
            int best = 0;
            for (int id = 1; id < next.length; id++) {
                best = next[id] > next[best] ? id : best;
            }
            assertThat(best).as("greedy id " + i).isEqualTo(greedy[i]);
            ids = Arrays.copyOf(ids, ids.length + 1);
            ids[ids.length - 1] = best;
            double[][] row = new double[1][];
            scorer.run(
                    ids,
                    ids.length - 1,
                    adapter,
                    (position, logits, offset) -> row[0] = scorer.logProbabilities(logits, offset));
            next = row[0];
        }
    }

    private static int[] ints(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::asInt).toArray();
    }
}
