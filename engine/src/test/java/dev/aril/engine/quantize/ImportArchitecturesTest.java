package dev.aril.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.ModelImport;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.KvShape;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.kernels.Rows;
import dev.aril.engine.measure.Scorer;
import dev.aril.engine.model.Checkpoint;
import dev.aril.engine.model.DecoderLayer;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.GoldenFixtures;
import dev.aril.engine.model.LayerWeights;
import dev.aril.engine.model.LayerWeights.Mixture;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.model.Projection;
import dev.aril.engine.model.Recipe;
import dev.aril.engine.model.WeightSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** Imports of all architectures: the bf16 recipe loses nothing, w4a4 little. */
class ImportArchitecturesTest {
    private static final int ROWS = 64;

    @TempDir Path temp;

    static Stream<String> names() throws IOException {
        return GoldenFixtures.names();
    }

    private Path imported(String name, String recipe) throws IOException {
        Path checkpoint = GoldenFixtures.unpack(name, temp);
        Path text = temp.resolve("calibration.txt");
        if (!Files.exists(text)) {
            // bytes that say nothing, as the weights do
            Random random = new Random(5);
            StringBuilder letters = new StringBuilder();
            for (int i = 0; i < 1500; i++) {
                letters.append((char) (' ' + random.nextInt(95)));
            }
            Files.writeString(text, letters);
        }
        Path target = temp.resolve("models").resolve(name + "-" + recipe);
        ModelImport.run(checkpoint, text, recipe, target, line -> {});
        return target;
    }

    /** [positions][vocabulary] of the longer sequence. */
    private static double[][] score(WeightSource weights, String name) throws IOException {
        JsonNode sequence = GoldenFixtures.golden(name).path("sequences").path(1);
        int[] ids = sequence.path("ids").valueStream().mapToInt(JsonNode::asInt).toArray();
        double[][] rows = new double[ids.length][];
        try (CpuKernels kernels = new CpuKernels(0)) {
            Scorer scorer = new Scorer(new Forward(weights, kernels, Scorer.CHUNK, 0));
            scorer.run(
                    ids,
                    0,
                    null,
                    (position, logits, offset) ->
                            rows[position] = scorer.logProbabilities(logits, offset));
        }
        return rows;
    }

    /** Mean over positions of the first's divergence from the second's, in nats. */
    private static double divergence(double[][] from, double[][] to) {
        double sum = 0;
        for (int p = 0; p < from.length; p++) {
            for (int i = 0; i < from[p].length; i++) {
                sum += Math.exp(from[p][i]) * (from[p][i] - to[p][i]);
            }
        }
        return sum / from.length;
    }

    /** Other ids in the same places: what a model that understood nothing would come to. */
    private static double[][] shifted(double[][] rows) {
        double[][] out = new double[rows.length][];
        for (int p = 0; p < rows.length; p++) {
            out[p] = rows[(p + 1) % rows.length];
        }
        return out;
    }

    @ParameterizedTest
    @MethodSource("names")
    void fullPrecisionIsTheCheckpoint(String name) throws IOException {
        Path target = imported(name, "bf16");
        try (ModelFiles model = ModelFiles.open(target);
                Checkpoint checkpoint = Checkpoint.open(temp.resolve(name))) {
            assertThat(model.config()).isEqualTo(checkpoint.config());
            assertThat(score(model, name)).isDeepEqualTo(score(checkpoint, name));
        }
    }

    /**
     * Random weights have no structure that helps, and what a layer gets wrong grows in the next;
     * yet what is left of a model is far nearer to the checkpoint than chance.
     */
    @ParameterizedTest
    @MethodSource("names")
    void fourBitsStayClose(String name) throws IOException {
        Path target = imported(name, "w4a4");
        try (ModelFiles model = ModelFiles.open(target);
                Checkpoint checkpoint = Checkpoint.open(temp.resolve(name))) {
            double[][] full = score(checkpoint, name);
            double lost = divergence(full, score(model, name));
            double chance = divergence(full, shifted(full));
            assertThat(lost).isBetween(0.0, (name.equals("mixtral") ? 0.6 : 0.4) * chance);
        }
    }

    /** What each layer adds to the same rows: the error of 4 bits, and no other. */
    @ParameterizedTest
    @MethodSource("names")
    void layersStayClose(String name) throws IOException {
        Path target = imported(name, "w4a4");
        try (ModelFiles model = ModelFiles.open(target);
                Checkpoint checkpoint = Checkpoint.open(temp.resolve(name))) {
            float[] rows = new float[ROWS * 256];
            short[] table = checkpoint.embedding();
            for (int i = 0; i < rows.length; i++) {
                rows[i] = Float.intBitsToFloat(table[i + 30 * 256] << 16);
            }
            for (int layer = 0; layer < 2; layer++) {
                float[] expected = added(checkpoint, layer, rows);
                float[] actual = added(model, layer, rows);
                double error = 0;
                double signal = 0;
                for (int i = 0; i < rows.length; i++) {
                    error += Math.pow(actual[i] - expected[i], 2);
                    signal += Math.pow(expected[i], 2);
                    rows[i] += expected[i];
                }
                // a router's near ties fall otherwise
                assertThat(Math.sqrt(error / signal))
                        .as("layer " + layer)
                        .isBetween(0.01, name.equals("mixtral") ? 0.6 : 0.45);
            }
        }
    }

    private static float[] added(WeightSource weights, int index, float[] rows) {
        try (CpuKernels kernels = new CpuKernels(0)) {
            DecoderLayer.Buffers buffers =
                    new DecoderLayer.Buffers(
                            kernels, weights.config(), weights.recipe(), ROWS, ROWS);
            int[] positions = IntStream.range(0, ROWS).toArray();
            int[] blocks = IntStream.range(0, ROWS / Kernels.BLOCK_TOKENS).toArray();
            Kernels.KvCache cache =
                    kernels.allocate(
                            new KvShape(
                                    1,
                                    blocks.length,
                                    weights.config().kvHeads(),
                                    weights.config().headDim(),
                                    weights.recipe().cache()));
            Kernels.Matrix hidden = kernels.matrix(ROWS, weights.config().hidden());
            kernels.write(hidden, rows);
            try (DecoderLayer layer = new DecoderLayer(weights.layer(index), index, buffers)) {
                Rows.Span[] span = {new Rows.Span(0, ROWS, blocks)};
                layer.run(
                        new Rows(new int[ROWS], positions, span, new Rows.Segment[0]),
                        hidden,
                        cache,
                        0,
                        null);
            }
            float[] out = kernels.read(hidden, ROWS);
            for (int i = 0; i < out.length; i++) {
                out[i] -= rows[i];
            }
            return out;
        }
    }

    /** What a mixture's import keeps of it. */
    @Test
    void expertsArePackedEachInItsOwnOrder() throws IOException {
        Path target = imported("mixtral", "w4a4");
        try (ModelFiles model = ModelFiles.open(target);
                Checkpoint checkpoint = Checkpoint.open(temp.resolve("mixtral"))) {
            LayerWeights layer = model.layer(1);
            assertThat(layer.projections()).hasSize(4);
            assertThat(Objects.requireNonNull(layer.orders()).down()).isEmpty();
            Mixture mixture = Objects.requireNonNull(layer.mixture());
            Mixture full = Objects.requireNonNull(checkpoint.layer(1).mixture());
            assertThat(mixture.router().bits()).isEqualTo(full.router().bits());
            assertThat(mixture.downOrders()).hasSize(4);
            assertThat(mixture.downOrders().get(0)).isNotEqualTo(mixture.downOrders().get(1));
            for (int[] order : mixture.downOrders()) {
                int[] sorted = order.clone();
                java.util.Arrays.sort(sorted);
                for (int i = 0; i < sorted.length; i++) {
                    assertThat(sorted[i]).isEqualTo(i);
                }
            }
            assertThat(mixture.experts().get(2).up()).isInstanceOf(LinearWeights.Int4.class);
        }
    }

    /** Models of before recipes said more than their name go on being read. */
    @Test
    void aHeaderOfOldIsRead() throws IOException {
        Path header = imported("llama-2", "w4a4").resolve("aril.json");
        String text = Files.readString(header);
        String old =
                text.replaceAll(",\\s*\"(activationBits|rotated|cache)\"\\s*:\\s*[^,}\\s]+", "");
        assertThat(old).isNotEqualTo(text).doesNotContain("cache").contains("activationClip");
        Files.writeString(header, old);
        try (ModelFiles model = ModelFiles.open(header.resolveSibling(""))) {
            assertThat(model.recipe()).isEqualTo(Recipe.W4A4);
        }
        Files.writeString(header, old.replace("\"w4a4\"", "\"w9a9\""));
        assertThatThrownBy(() -> ModelFiles.open(header.resolveSibling("")).close())
                .isInstanceOf(IOException.class)
                .hasMessageContaining("aril.json is damaged");
    }

    @Test
    void biasesAndNormsAreKept() throws IOException {
        try (ModelFiles qwen2 = ModelFiles.open(imported("qwen2", "w4a4"));
                ModelFiles qwen3 = ModelFiles.open(imported("qwen3", "w4a4"));
                Checkpoint two = Checkpoint.open(temp.resolve("qwen2"));
                Checkpoint three = Checkpoint.open(temp.resolve("qwen3"))) {
            assertThat(qwen2.layer(0).bias(Projection.K))
                    .isEqualTo(two.layer(0).bias(Projection.K));
            // the cache holds turned values
            assertThat(qwen2.layer(0).bias(Projection.V))
                    .isNotEqualTo(two.layer(0).bias(Projection.V));
            assertThat(Objects.requireNonNull(qwen3.layer(1).headNorms()).query())
                    .isEqualTo(Objects.requireNonNull(three.layer(1).headNorms()).query());
        }
    }
}
