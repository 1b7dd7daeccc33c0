package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.model.LayerWeights.Mixture;
import dev.aril.engine.model.Safetensors.Type;
import dev.aril.engine.model.Safetensors.Writer.Planned;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Real small checkpoints, whole and spoiled in one way at a time. */
class CheckpointTest {
    private static final String SHARD = "model-00002-of-00003.safetensors";

    @TempDir Path temp;

    /** One tensor of a checkpoint to be spoiled. */
    private record Tensor(Type type, List<Long> shape, byte[] bytes) {}

    private static Map<String, Tensor> read(Path file) throws IOException {
        Map<String, Tensor> all = new LinkedHashMap<>();
        try (Safetensors tensors = Safetensors.open(file)) {
            for (Safetensors.Entry e : tensors.entries().values()) {
                byte[] bytes = tensors.bytes(e.name()).toArray(ValueLayout.JAVA_BYTE);
                all.put(e.name(), new Tensor(e.type(), e.shape(), bytes));
            }
        }
        return all;
    }

    private static void write(Path file, Map<String, Tensor> all) throws IOException {
        Files.deleteIfExists(file);
        List<Planned> plan = new ArrayList<>();
        all.forEach((name, t) -> plan.add(new Planned(name, t.type(), t.shape())));
        try (Safetensors.Writer writer = new Safetensors.Writer(file, plan)) {
            all.forEach((name, t) -> writer.write(name, t.bytes()));
        }
    }

    private Path single(String name) throws IOException {
        return GoldenFixtures.unpack(name, temp);
    }

    private static Tensor tensor(Map<String, Tensor> all, String name) {
        return Objects.requireNonNull(all.get(name), name);
    }

    @Test
    void readsShardsAndATiedHead() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(single("llama-3.1"))) {
            assertThat(checkpoint.head().bits()).isEqualTo(checkpoint.embedding());
            assertThat(checkpoint.layer(1).get(Projection.DOWN).in()).isEqualTo(256);
        }
    }

    /** The same numbers from F32, F16 and BF16: these are exact in each. */
    @ParameterizedTest
    @CsvSource({"llama-2, BF16", "llama-linear, F32", "llama-dynamic, F16"})
    void readsEveryType(String name, Type type) throws IOException {
        Path folder = single(name);
        Tensor stored =
                tensor(read(folder.resolve("model.safetensors")), CheckpointTensors.EMBEDDING);
        assertThat(stored.type()).isEqualTo(type);
        try (Safetensors file = Safetensors.open(folder.resolve("model.safetensors"));
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            float[] expected = file.floats(CheckpointTensors.EMBEDDING);
            short[] actual = checkpoint.embedding();
            assertThat(actual).hasSize(expected.length);
            for (int i = 0; i < actual.length; i++) {
                assertThat(Float.intBitsToFloat(actual[i] << 16)).isEqualTo(expected[i]);
            }
        }
    }

    @Test
    void readsBiasesNormsAndExperts() throws IOException {
        try (Checkpoint linear = Checkpoint.open(single("llama-linear"));
                Checkpoint qwen2 = Checkpoint.open(single("qwen2"));
                Checkpoint qwen3 = Checkpoint.open(single("qwen3"));
                Checkpoint mixtral = Checkpoint.open(single("mixtral"))) {
            assertThat(linear.layer(0).biases()).containsOnlyKeys(Projection.ATTENTION);
            assertThat(qwen2.layer(0).biases())
                    .containsOnlyKeys(Projection.Q, Projection.K, Projection.V);
            assertThat(Objects.requireNonNull(qwen2.layer(1).bias(Projection.K))).hasSize(128);
            assertThat(Objects.requireNonNull(qwen3.layer(1).headNorms()).key()).hasSize(128);
            Mixture mixture = Objects.requireNonNull(mixtral.layer(1).mixture());
            assertThat(mixture.router().out()).isEqualTo(4);
            assertThat(mixture.experts()).hasSize(4);
            LinearWeights gate = mixture.experts().get(3).gate();
            assertThat(gate.out()).isEqualTo(256);
            assertThat(mixtral.layer(1).projections()).hasSize(4);
        }
    }

    /** Large tables are handed on piece by piece, whole all the same. */
    @Test
    void piecesOfATableAreTheWhole() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(single("llama-2"))) {
            List<short[]> pieces = new ArrayList<>();
            checkpoint.head(pieces::add);
            int at = 0;
            short[] whole = checkpoint.head().bits();
            for (short[] piece : pieces) {
                assertThat(piece)
                        .isEqualTo(java.util.Arrays.copyOfRange(whole, at, at + piece.length));
                at += piece.length;
            }
            assertThat(at).isEqualTo(whole.length);
        }
    }

    private static void refused(Path folder, String... parts) {
        assertThatThrownBy(() -> Checkpoint.open(folder).close())
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageContainingAll(parts);
    }

    @Test
    void namesAShardThatIsMissing() throws IOException {
        Path folder = single("llama-3.1");
        Files.delete(folder.resolve(SHARD));
        refused(folder, "model.safetensors.index.json names " + SHARD + ", which is missing");
    }

    @Test
    void namesAShardThatIsCutShort() throws IOException {
        Path folder = single("llama-3.1");
        byte[] bytes = Files.readAllBytes(folder.resolve(SHARD));
        for (int left : new int[] {bytes.length - 2, bytes.length / 2, 900, 7, 0}) {
            Files.write(folder.resolve(SHARD), java.util.Arrays.copyOf(bytes, left));
            assertThatThrownBy(() -> Checkpoint.open(folder).close())
                    .isInstanceOf(Safetensors.Malformed.class)
                    .hasMessageStartingWith(SHARD + " cannot be read, if it was cut short");
        }
    }

    @Test
    void namesATensorThatIsNotWhereTheIndexSays() throws IOException {
        Path folder = single("llama-3.1");
        Map<String, Tensor> all = read(folder.resolve(SHARD));
        String gone = all.keySet().iterator().next();
        all.remove(gone);
        write(folder.resolve(SHARD), all);
        refused(folder, "says that " + SHARD + " holds tensor " + gone + ", which it does not");
    }

    @Test
    void namesATensorThatTheIndexLacks() throws IOException {
        Path folder = single("llama-3.1");
        Path index = folder.resolve("model.safetensors.index.json");
        Files.writeString(
                index,
                Files.readString(index).replace("layers.1.mlp.up_proj", "layers.1.mlp.upp_proj"));
        refused(folder, "model.layers.1.mlp.upp_proj.weight");
        Files.writeString(
                index,
                Files.readString(index)
                        .replaceAll("\"model.layers.1.mlp.upp_proj.weight\": \"[^\"]*\",", ""));
        refused(folder, "tensor model.layers.1.mlp.up_proj.weight is missing");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{                                                   | is not JSON",
                "{}                                                  | has no weight_map",
                "{\"weight_map\":{\"a\":\"../model.safetensors\"}}   | ../model.safetensors",
                "{\"weight_map\":{\"a\":\"/etc/passwd\"}}            | /etc/passwd",
                "{\"weight_map\":{\"a\":3}}                          | weight_map names"
            })
    void refusesADamagedIndex(String index, String reason) throws IOException {
        Path folder = single("llama-3.1");
        Files.writeString(folder.resolve("model.safetensors.index.json"), index);
        refused(folder, "model.safetensors.index.json", reason);
    }

    @ParameterizedTest
    @CsvSource({
        "qwen2, model.layers.1.self_attn.q_proj.bias",
        "qwen3, model.layers.0.self_attn.k_norm.weight",
        "mixtral, model.layers.1.block_sparse_moe.gate.weight",
        "mixtral, model.layers.1.block_sparse_moe.experts.3.w2.weight",
        "llama-2, lm_head.weight",
        "llama-2, model.norm.weight",
        "llama-2, model.layers.0.input_layernorm.weight",
        "llama-linear, model.layers.1.self_attn.o_proj.bias"
    })
    void namesATensorThatIsMissingOrOfAnotherShape(String name, String tensor) throws IOException {
        Path folder = single(name);
        Path file = folder.resolve("model.safetensors");
        Map<String, Tensor> all = read(file);
        Tensor before = tensor(all, tensor);
        all.remove(tensor);
        write(file, all);
        refused(folder, "tensor " + tensor + " is missing");
        List<Long> shape = new ArrayList<>(before.shape());
        shape.addFirst(1L);
        all.put(tensor, new Tensor(before.type(), shape, before.bytes()));
        write(file, all);
        refused(folder, "tensor " + tensor + " has shape " + shape + ", config.json asks for");
    }

    /** What a checkpoint holds beyond what is computed would silently be left out. */
    @ParameterizedTest
    @CsvSource({
        "llama-2, model.layers.0.self_attn.q_proj.bias",
        "llama-2, model.layers.0.mlp.down_proj.bias",
        "llama-2, model.layers.0.self_attn.q_norm.weight",
        "llama-2, model.layers.2.input_layernorm.weight",
        "qwen2, model.layers.0.self_attn.o_proj.bias",
        "mixtral, model.layers.0.block_sparse_moe.experts.4.w1.weight",
        "llama-2, lm_head.bias"
    })
    void refusesATensorThatHasNoPlace(String name, String tensor) throws IOException {
        Path folder = single(name);
        Path file = folder.resolve("model.safetensors");
        Map<String, Tensor> all = read(file);
        all.put(tensor, new Tensor(Type.BF16, List.of(2L), new byte[4]));
        write(file, all);
        refused(folder, "tensor " + tensor + " has no place");
    }

    @Test
    void leavesOutWhatFollowsFromTheConfiguration() throws IOException {
        Path folder = single("llama-2");
        Path file = folder.resolve("model.safetensors");
        Map<String, Tensor> all = read(file);
        Tensor frequencies = new Tensor(Type.F32, List.of(1L), new byte[4]);
        all.put("model.layers.0.self_attn.rotary_emb.inv_freq", frequencies);
        all.put("model.rotary_emb.inv_freq", frequencies);
        write(file, all);
        Checkpoint.open(folder).close();
    }

    /** Some tools write the head of a tied model too; the embedding is what counts. */
    @Test
    void aTiedModelMayHoldItsHead() throws IOException {
        Path folder = single("qwen3");
        Path file = folder.resolve("model.safetensors");
        Map<String, Tensor> all = read(file);
        all.put("lm_head.weight", tensor(all, CheckpointTensors.EMBEDDING));
        write(file, all);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThat(checkpoint.head().bits()).isEqualTo(checkpoint.embedding());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "qwen2, model.layers.1.self_attn.v_proj.bias",
        "qwen2, model.layers.1.mlp.up_proj.weight",
        "qwen3, model.layers.1.self_attn.q_norm.weight",
        "mixtral, model.layers.1.block_sparse_moe.gate.weight",
        "mixtral, model.layers.1.block_sparse_moe.experts.2.w3.weight"
    })
    void refusesWhatIsNoNumber(String name, String tensor) throws IOException {
        Path folder = single(name);
        Path file = folder.resolve("model.safetensors");
        Map<String, Tensor> all = read(file);
        byte[] bytes = tensor(all, tensor).bytes();
        bytes[7] = 0x7F;
        bytes[6] = (byte) 0xC0;
        write(file, all);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            checkpoint.layer(0);
            assertThatThrownBy(() -> checkpoint.layer(1))
                    .isInstanceOf(UnsupportedCheckpoint.class)
                    .hasMessage("tensor " + tensor + " holds NaN at 3");
        }
    }

    @Test
    void refusesWhatBf16CannotHold() throws IOException {
        Path folder = single("llama-linear");
        Path file = folder.resolve("model.safetensors");
        Map<String, Tensor> all = read(file);
        byte[] bytes = tensor(all, "model.layers.0.mlp.up_proj.weight").bytes();
        bytes[0] = bytes[1] = bytes[2] = (byte) 0xFF; // the largest float
        bytes[3] = 0x7F;
        bytes[2] = 0x7F;
        write(file, all);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThatThrownBy(() -> checkpoint.layer(0))
                    .hasMessageContaining("model.layers.0.mlp.up_proj.weight")
                    .hasMessageContaining("too large for bf16");
        }
    }

    /** The end of a turn is often named in the generation's settings only. */
    @Test
    void whatEndsAGenerationIsReadFromBothFiles() throws IOException {
        Path folder = single("llama-2");
        assertThat(Checkpoint.readConfig(folder).eosIds()).containsExactly(2);
        Path settings = folder.resolve("generation_config.json");
        Files.writeString(settings, "{\"eos_token_id\":[2,9],\"temperature\":0.6}");
        assertThat(Checkpoint.readConfig(folder).eosIds()).containsExactlyInAnyOrder(2, 9);
        Files.writeString(settings, "{\"eos_token_id\":7}");
        assertThat(Checkpoint.readConfig(folder).eosIds()).containsExactlyInAnyOrder(2, 7);
        Files.writeString(settings, "{\"eos_token_id\":\"</s>\"}");
        refused(folder, "generation_config.json: eos_token_id must be an id or a list of ids");
        Files.writeString(settings, "{");
        refused(folder, "generation_config.json is not JSON");
    }

    @Test
    void saysWhatIsNotThere() throws IOException {
        Path folder = single("llama-2");
        Files.delete(folder.resolve("model.safetensors"));
        refused(folder, "has no model.safetensors and no model.safetensors.index.json");
        Files.delete(folder.resolve("config.json"));
        refused(folder, "has no config.json");
    }
}
