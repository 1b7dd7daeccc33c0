package dev.aril.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.ModelImport;
import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.Hadamard;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.measure.Scorer;
import dev.aril.engine.model.Checkpoint;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.LayerWeights.ChannelOrders;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.model.Projection;
import dev.aril.engine.model.WeightSource;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImporterTest {
    private static final Path MODEL = Path.of("../models/novella-11m");

    @TempDir static Path folder;
    private static Path calibration = Path.of("");
    private static Path imported = Path.of("");

    @BeforeAll
    static void importOnce() throws IOException {
        String text = Files.readString(MODEL.resolve("text/calibration.txt"));
        calibration = folder.resolve("calibration.txt");
        Files.writeString(calibration, text.substring(0, 12_000));
        imported = folder.resolve("models/novella");
        // what a killed import leaves behind
        Files.createDirectories(folder.resolve("models/novella.importing-123/half"));
        ModelImport.run(MODEL, calibration, "w4a4", imported, line -> {});
    }

    @Test
    void leavesNothingButTheModel() throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve("models"))) {
            assertThat(files.filter(f -> f.getFileName().toString().startsWith("novella")))
                    .containsExactly(imported);
        }
    }

    /** A model of an earlier version is refused by name, and replaced by the next import. */
    @Test
    void anOlderFormatIsImportedAgain() throws IOException {
        Path old = folder.resolve("older/novella");
        ModelImport.run(MODEL, calibration, "bf16", old, line -> {});
        Path header = old.resolve("aril.json");
        String text = Files.readString(header);
        Files.writeString(header, text.replaceFirst("\"format\" : 3", "\"format\" : 2"));
        assertThatThrownBy(() -> ModelFiles.open(old))
                .hasMessage(
                        "aril.json: format is 2, this version reads 3; import the checkpoint again");
        List<String> lines = new ArrayList<>();
        ModelImport.run(MODEL, calibration, "bf16", old, lines::add);
        assertThat(lines.getFirst()).isEqualTo("novella has an older format and is imported again");
        ModelFiles.open(old).close();
        try (Stream<Path> files = Files.list(folder.resolve("older"))) {
            assertThat(files).containsExactly(old);
        }
        ModelImport.run(MODEL, calibration, "bf16", old, lines::add);
        assertThat(lines.stream().filter(line -> line.startsWith("importing"))).hasSize(1);
    }

    @Test
    void ordersAreWholeAndStrongestLast() throws IOException {
        try (ModelFiles model = ModelFiles.open(imported);
                Checkpoint checkpoint = Checkpoint.open(MODEL)) {
            for (int l = 0; l < model.config().layers(); l++) {
                ChannelOrders orders = Objects.requireNonNull(model.layer(l).orders());
                for (int[] order :
                        List.of(orders.attention(), orders.output(), orders.mlp(), orders.down())) {
                    int[] sorted = order.clone();
                    Arrays.sort(sorted);
                    for (int i = 0; i < sorted.length; i++) {
                        assertThat(sorted[i]).isEqualTo(i);
                    }
                }
                assertThat(checkpoint.layer(l).orders()).isNull();
            }
        }
    }

    /**
     * Undoing rotation and order gives the checkpoint's weights back, but for 4 bits' rounding and
     * what makes up for it.
     */
    @Test
    void weightsAreTheCheckpointsRotatedAndInOrder() throws IOException {
        try (ModelFiles model = ModelFiles.open(imported);
                Checkpoint checkpoint = Checkpoint.open(MODEL)) {
            for (int l : new int[] {0, 5}) {
                ChannelOrders orders = Objects.requireNonNull(model.layer(l).orders());
                for (Projection p : Projection.values()) {
                    LinearWeights.Int4 packed = (LinearWeights.Int4) model.layer(l).get(p);
                    LinearWeights.Bf16 full = (LinearWeights.Bf16) checkpoint.layer(l).get(p);
                    float[] expected = new float[full.bits().length];
                    for (int i = 0; i < expected.length; i++) {
                        expected[i] = Float.intBitsToFloat(full.bits()[i] << 16);
                    }
                    int[] columns =
                            switch (p) {
                                case Q, K, V -> orders.attention();
                                case O -> orders.output();
                                case GATE, UP -> orders.mlp();
                                case DOWN -> orders.down();
                            };
                    float[] actual = new float[expected.length];
                    for (int n = 0; n < packed.out(); n++) {
                        float[] row = dequantized(packed, n);
                        int to = p == Projection.GATE || p == Projection.UP ? orders.down()[n] : n;
                        for (int j = 0; j < row.length; j++) {
                            actual[to * packed.in() + columns[j]] = row[j];
                        }
                    }
                    if (p == Projection.V) {
                        Hadamard.rotateHeads(actual, packed.in(), model.config().headDim());
                    }
                    double error = 0;
                    double signal = 0;
                    for (int i = 0; i < expected.length; i++) {
                        error += Math.pow(actual[i] - expected[i], 2);
                        signal += Math.pow(expected[i], 2);
                    }
                    assertThat(Math.sqrt(error / signal)).as("layer %s, %s", l, p).isLessThan(0.3);
                }
            }
        }
    }

    private static float[] dequantized(LinearWeights.Int4 w, int n) {
        float[] row = new float[w.in()];
        int regular = w.in() - w.outliers();
        for (int j = 0; j < regular; j++) {
            short scale = w.scales()[n * w.groups() + j / w.group()];
            row[j] = w.code(n, j) * Float.float16ToFloat(scale);
        }
        for (int g = 0; g < w.groups(); g++) {
            Hadamard.apply(row, g * w.group(), w.group());
        }
        for (int j = 0; j < w.outliers(); j++) {
            row[regular + j] = w.outlierCodes()[n * w.outliers() + j] * w.outlierScales()[n];
        }
        return row;
    }

    @Test
    void losesLittle() throws IOException {
        String text = Files.readString(MODEL.resolve("text/heldout-pride.txt"));
        int[] ids;
        try (Tokenizer tokenizer = Tokenizer.open(MODEL)) {
            ids = tokenizer.encode(text.substring(0, 10_000));
        }
        ids = Arrays.copyOf(ids, 1024);
        ids[0] = 1;
        try (ModelFiles model = ModelFiles.open(imported);
                Checkpoint checkpoint = Checkpoint.open(MODEL)) {
            double loss = loss(model, ids) - loss(checkpoint, ids);
            assertThat(loss).isBetween(0.0, 0.12);
        }
    }

    private static double loss(WeightSource weights, int[] ids) {
        try (CpuKernels kernels = new CpuKernels(0)) {
            double[] scores =
                    new Scorer(new Forward(weights, kernels, Scorer.CHUNK, 0)).score(ids, null);
            return -Arrays.stream(scores).average().orElseThrow();
        }
    }

    @Test
    void anExistingTargetIsLeftAlone() throws IOException {
        var before = Files.getLastModifiedTime(imported.resolve("aril.json"));
        ModelImport.run(MODEL, calibration, "w4a4", imported, line -> {});
        assertThat(Files.getLastModifiedTime(imported.resolve("aril.json"))).isEqualTo(before);
    }

    @Test
    void aChangedOrMissingFileIsNamed(@TempDir Path copy) throws IOException {
        for (String file : List.of("weights.safetensors", "tokenizer.json", "aril.json")) {
            try (Stream<Path> files = Files.list(imported)) {
                for (Path f : files.toList()) {
                    Files.copy(
                            f, copy.resolve(f.getFileName()), StandardCopyOption.REPLACE_EXISTING);
                }
            }
            byte[] bytes = Files.readAllBytes(copy.resolve(file));
            bytes[bytes.length / 2] ^= 1;
            Files.write(copy.resolve(file), bytes);
            if (!file.equals("aril.json")) {
                assertThatThrownBy(() -> ModelFiles.open(copy).close())
                        .isInstanceOf(IOException.class)
                        .hasMessageContaining(file);
            }
            Files.delete(copy.resolve(file));
            assertThatThrownBy(() -> ModelFiles.open(copy).close())
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining(file);
        }
    }

    @Test
    void aTemplateThatCannotBeRenderedIsToldFirst(@TempDir Path broken) throws IOException {
        for (String file : List.of("config.json", "tokenizer.json", "model.safetensors")) {
            Files.copy(MODEL.resolve(file), broken.resolve(file));
        }
        Files.writeString(
                broken.resolve("tokenizer_config.json"),
                "{\"chat_template\": \"{{ messages | xmlattr }}\"}");
        Path target = broken.resolve("out/model");
        assertThatThrownBy(() -> ModelImport.run(broken, calibration, "bf16", target, l -> {}))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageContaining("xmlattr")
                .hasMessageContaining("chat_template");
        assertThat(target).doesNotExist();
    }

    @Test
    void aDamagedCheckpointLeavesNothing(@TempDir Path broken) throws IOException {
        for (String file : List.of("config.json", "tokenizer.json", "model.safetensors")) {
            Files.copy(MODEL.resolve(file), broken.resolve(file));
        }
        Path target = broken.resolve("out/model");
        byte[] weights = Files.readAllBytes(broken.resolve("model.safetensors"));
        Files.write(
                broken.resolve("model.safetensors"), Arrays.copyOf(weights, weights.length - 2));
        assertThatThrownBy(() -> ModelImport.run(broken, calibration, "w4a4", target, l -> {}))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("truncated");

        weights[weights.length - 1] = 0x7F; // a bf16 NaN in the last tensor
        weights[weights.length - 2] = (byte) 0xC1;
        Files.write(broken.resolve("model.safetensors"), weights);
        assertThatThrownBy(() -> ModelImport.run(broken, calibration, "w4a4", target, l -> {}))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageContaining("NaN");

        String config = Files.readString(broken.resolve("config.json"));
        for (String[] edit :
                List.of(
                        new String[] {"\"llama\"", "\"mamba\"", "mamba"},
                        new String[] {"\"silu\"", "\"relu\"", "hidden_act"},
                        new String[] {
                            "\"hidden_size\": 384", "\"hidden_size\": 383", "embed_tokens"
                        },
                        new String[] {
                            "\"num_hidden_layers\": 6", "\"num_hidden_layers\": 7", "layers.6"
                        })) {
            assertThat(config).contains(edit[0]);
            Files.writeString(broken.resolve("config.json"), config.replace(edit[0], edit[1]));
            assertThatThrownBy(() -> ModelImport.run(broken, calibration, "w4a4", target, l -> {}))
                    .isInstanceOf(UnsupportedCheckpoint.class)
                    .hasMessageContaining(edit[2]);
        }
        assertThatThrownBy(() -> ModelImport.run(MODEL, calibration, "w2a2", target, l -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("w2a2");
        if (Files.exists(target.resolveSibling(""))) {
            try (Stream<Path> left = Files.list(target.resolveSibling(""))) {
                assertThat(left).isEmpty();
            }
        }
    }
}
