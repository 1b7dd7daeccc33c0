package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.measure.Scorer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** Checkpoints of all architectures on the CPU against what transformers computes in fp32. */
class GoldenArchitecturesTest {
    private static final double CLOSE = 0.002;

    @TempDir Path temp;

    /** What computes. */
    Kernels kernels() {
        return new CpuKernels(0);
    }

    static Stream<String> names() throws IOException {
        return GoldenFixtures.names();
    }

    @Test
    void coversEveryArchitecture() throws IOException {
        assertThat(GoldenFixtures.names())
                .containsExactly(
                        "llama-2",
                        "llama-3.1",
                        "llama-dynamic",
                        "llama-linear",
                        "mistral",
                        "mixtral",
                        "qwen2",
                        "qwen3");
    }

    @ParameterizedTest
    @MethodSource("names")
    void computesWhatTransformersDoes(String name) throws IOException {
        Path folder = GoldenFixtures.unpack(name, temp);
        JsonNode sequences = GoldenFixtures.golden(name).path("sequences");
        assertThat(sequences.size()).isEqualTo(2);
        try (Checkpoint checkpoint = Checkpoint.open(folder);
                Kernels kernels = kernels()) {
            Scorer scorer = new Scorer(new Forward(checkpoint, kernels, Scorer.CHUNK, 0));
            for (JsonNode sequence : sequences) {
                check(sequence, scorer, checkpoint.config().vocabulary());
            }
        }
    }

    private static void check(JsonNode recorded, Scorer scorer, int vocabulary) {
        int[] ids = recorded.path("ids").valueStream().mapToInt(JsonNode::asInt).toArray();
        JsonNode rows = recorded.path("log_probabilities");
        assertThat(rows.size()).isEqualTo(ids.length - 1);
        scorer.run(
                ids,
                0,
                null,
                (position, logits, offset) -> {
                    if (position == ids.length - 1) {
                        return;
                    }
                    double[] actual = scorer.logProbabilities(logits, offset);
                    JsonNode row = rows.path(position);
                    assertThat(row.size()).isEqualTo(9);
                    for (int j = 0; j < row.size(); j++) {
                        int id =
                                j == 0
                                        ? ids[position + 1]
                                        : (7 * position + 64 * (j - 1)) % vocabulary;
                        assertThat(actual[id])
                                .as("id %d at position %d", id, position)
                                .isCloseTo(row.path(j).asDouble(), within(CLOSE));
                    }
                });
    }
}
