package dev.aril.engine.model;

import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.kernels.Bf16Bits;
import dev.aril.engine.kernels.ExpertWeights;
import dev.aril.engine.kernels.HeadNorms;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.model.LayerWeights.Mixture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A Hugging Face model directory, as bf16 weights. The files are mapped; a layer's tensors are
 * copied when the layer is asked for, and checked for NaN and infinity then.
 */
public final class Checkpoint implements WeightSource, AutoCloseable {
    /** Values of a large table that are copied at once. */
    private static final int PIECE = 4 << 20;

    private final ModelConfig config;
    private final Shards shards;

    private Checkpoint(ModelConfig config, Shards shards) {
        this.config = config;
        this.shards = shards;
    }

    /**
     * Opens the directory and checks that each tensor the configuration needs is there in its
     * shape, and none besides.
     *
     * @throws UnsupportedCheckpoint if not, naming the file, tensor or field
     */
    public static Checkpoint open(Path directory) throws IOException {
        ModelConfig config = readConfig(directory);
        Shards shards = Shards.open(directory);
        try {
            CheckpointTensors.check(config, shards);
            return new Checkpoint(config, shards);
        } catch (RuntimeException e) {
            shards.close();
            throw e;
        }
    }

    /**
     * The directory's {@code config.json}, with what its tokenizer begins every sequence with, and
     * what ends a generation by {@code generation_config.json} too: models that talk often name the
     * end of a turn only there.
     */
    public static ModelConfig readConfig(Path directory) throws IOException {
        Path file = directory.resolve("config.json");
        if (!Files.exists(file)) {
            throw new UnsupportedCheckpoint("the checkpoint has no config.json");
        }
        ModelConfig config = ModelConfig.parse(json(file));
        Set<Integer> ends = new HashSet<>(config.eosIds());
        Path generation = directory.resolve("generation_config.json");
        if (Files.exists(generation)) {
            ends.addAll(
                    HubConfig.ids(
                            new ConfigFields("generation_config.json", json(generation), ""),
                            "eos_token_id"));
        }
        return config.between(SequenceStart.of(directory, config), ends);
    }

    private static JsonNode json(Path file) throws IOException {
        try {
            return JsonMapper.shared().readTree(Files.readAllBytes(file));
        } catch (JacksonException e) {
            throw new UnsupportedCheckpoint(
                    file.getFileName() + " is not JSON: " + Printable.of(e.getOriginalMessage()));
        }
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Recipe recipe() {
        return Recipe.BF16;
    }

    @Override
    public short[] embedding() {
        return bf16(CheckpointTensors.EMBEDDING);
    }

    @Override
    public LinearWeights.Bf16 head() {
        return new LinearWeights.Bf16(config.vocabulary(), config.hidden(), bf16(headName()));
    }

    @Override
    public void embedding(Consumer<short[]> pieces) {
        pieces(CheckpointTensors.EMBEDDING, pieces);
    }

    @Override
    public void head(Consumer<short[]> pieces) {
        pieces(headName(), pieces);
    }

    private String headName() {
        return config.tiedEmbeddings() ? CheckpointTensors.EMBEDDING : CheckpointTensors.HEAD;
    }

    @Override
    public float[] finalNorm() {
        return finite(CheckpointTensors.FINAL_NORM);
    }

    @Override
    public LayerWeights layer(int index) {
        List<LinearWeights> projections = new ArrayList<>();
        Map<Projection, float[]> biases = new EnumMap<>(Projection.class);
        for (Projection p : config.projections()) {
            projections.add(matrix(p, p.path(index) + ".weight"));
            if (config.traits().biased().contains(p)) {
                biases.put(p, finite(p.path(index) + ".bias"));
            }
        }
        return new LayerWeights(
                finite(CheckpointTensors.attentionNorm(index)),
                finite(CheckpointTensors.mlpNorm(index)),
                null,
                projections,
                biases,
                headNorms(index),
                mixture(index));
    }

    private @Nullable HeadNorms headNorms(int layer) {
        return config.traits().headNorms()
                ? new HeadNorms(
                        finite(CheckpointTensors.queryNorm(layer)),
                        finite(CheckpointTensors.keyNorm(layer)),
                        config.normEpsilon())
                : null;
    }

    private @Nullable Mixture mixture(int layer) {
        if (!config.mixture()) {
            return null;
        }
        int count = config.traits().experts();
        List<ExpertWeights> experts = new ArrayList<>();
        for (int e = 0; e < count; e++) {
            experts.add(
                    new ExpertWeights(
                            expert(layer, e, Projection.GATE),
                            expert(layer, e, Projection.UP),
                            expert(layer, e, Projection.DOWN)));
        }
        LinearWeights.Bf16 router =
                new LinearWeights.Bf16(
                        count, config.hidden(), bf16(CheckpointTensors.router(layer)));
        return new Mixture(router, experts, List.of());
    }

    private LinearWeights.Bf16 expert(int layer, int expert, Projection projection) {
        return matrix(projection, CheckpointTensors.expert(layer, expert, projection));
    }

    private LinearWeights.Bf16 matrix(Projection projection, String name) {
        return new LinearWeights.Bf16(projection.out(config), projection.in(config), bf16(name));
    }

    private float[] finite(String name) {
        float[] values = shards.holding(name).floats(name);
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                throw notFinite(name, values[i], i);
            }
        }
        return values;
    }

    /** As bf16, F32 and F16 values rounded to nearest even. */
    private short[] bf16(String name) {
        long count = shards.holding(name).entry(name).elements();
        short[] bits = new short[Math.toIntExact(count)];
        for (int from = 0; from < bits.length; from += PIECE) {
            int length = Math.min(PIECE, bits.length - from);
            piece(name, from, length, bits, from);
        }
        return bits;
    }

    private void pieces(String name, Consumer<short[]> to) {
        long count = shards.holding(name).entry(name).elements();
        for (long from = 0; from < count; from += PIECE) {
            short[] bits = new short[(int) Math.min(PIECE, count - from)];
            piece(name, from, bits.length, bits, 0);
            to.accept(bits);
        }
    }

    private void piece(String name, long from, int length, short[] bits, int to) {
        float[] values = shards.holding(name).floats(name, from, length);
        for (int i = 0; i < length; i++) {
            int raw = Float.floatToRawIntBits(values[i]);
            if ((raw & 0x7F80_0000) == 0x7F80_0000) {
                throw notFinite(name, values[i], from + i);
            }
            short rounded = Bf16Bits.nearest(values[i]);
            if ((rounded & 0x7F80) == 0x7F80) {
                throw new UnsupportedCheckpoint(
                        "tensor "
                                + name
                                + " holds "
                                + values[i]
                                + " at "
                                + (from + i)
                                + ", which is too large for bf16");
            }
            bits[to + i] = rounded;
        }
    }

    private static UnsupportedCheckpoint notFinite(String name, float value, long at) {
        return new UnsupportedCheckpoint("tensor " + name + " holds " + value + " at " + at);
    }

    @Override
    public void close() {
        shards.close();
    }
}
