package dev.aril.engine.model;

import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.kernels.LinearWeights;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/** A Hugging Face model directory with one safetensors file, as bf16 weights. */
public final class Checkpoint implements WeightSource, AutoCloseable {
    private final ModelConfig config;
    private final Safetensors tensors;

    private Checkpoint(ModelConfig config, Safetensors tensors) {
        this.config = config;
        this.tensors = tensors;
    }

    /**
     * Opens the directory and checks that each tensor the configuration needs is there in its
     * shape.
     *
     * @throws UnsupportedCheckpoint if not, naming the tensor or field
     */
    public static Checkpoint open(Path directory) throws IOException {
        ModelConfig config = readConfig(directory);
        if (Files.exists(directory.resolve("model.safetensors.index.json"))) {
            throw new UnsupportedCheckpoint(
                    "sharded checkpoints (model.safetensors.index.json) are not supported yet");
        }
        Path file = directory.resolve("model.safetensors");
        if (!Files.exists(file)) {
            throw new UnsupportedCheckpoint("the checkpoint has no model.safetensors");
        }
        Checkpoint checkpoint = new Checkpoint(config, Safetensors.open(file));
        try {
            checkpoint.check();
            return checkpoint;
        } catch (RuntimeException e) {
            checkpoint.close();
            throw e;
        }
    }

    /** The directory's {@code config.json}. */
    public static ModelConfig readConfig(Path directory) throws IOException {
        try {
            return ModelConfig.parse(
                    JsonMapper.shared()
                            .readTree(Files.readAllBytes(directory.resolve("config.json"))));
        } catch (JacksonException e) {
            throw new UnsupportedCheckpoint("config.json is not JSON: " + e.getOriginalMessage());
        }
    }

    private void check() {
        long hidden = config.hidden();
        shape("model.embed_tokens.weight", config.vocabulary(), hidden);
        shape("model.norm.weight", hidden);
        if (!config.tiedEmbeddings()) {
            shape("lm_head.weight", config.vocabulary(), hidden);
        }
        for (int l = 0; l < config.layers(); l++) {
            shape("model.layers." + l + ".input_layernorm.weight", hidden);
            shape("model.layers." + l + ".post_attention_layernorm.weight", hidden);
            for (Projection p : Projection.values()) {
                shape(p.path(l) + ".weight", p.out(config), p.in(config));
            }
        }
    }

    private void shape(String name, long... shape) {
        List<Long> expected = new ArrayList<>();
        for (long d : shape) {
            expected.add(d);
        }
        if (!tensors.entry(name).shape().equals(expected)) {
            throw new UnsupportedCheckpoint(
                    "tensor "
                            + name
                            + " has shape "
                            + tensors.entry(name).shape()
                            + ", config.json asks for "
                            + expected);
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
        return bf16("model.embed_tokens.weight");
    }

    @Override
    public LinearWeights.Bf16 head() {
        String name = config.tiedEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight";
        return new LinearWeights.Bf16(config.vocabulary(), config.hidden(), bf16(name));
    }

    @Override
    public float[] finalNorm() {
        return finite("model.norm.weight");
    }

    @Override
    public LayerWeights layer(int index) {
        List<LinearWeights> projections = new ArrayList<>();
        for (Projection p : Projection.values()) {
            projections.add(
                    new LinearWeights.Bf16(
                            p.out(config), p.in(config), bf16(p.path(index) + ".weight")));
        }
        return new LayerWeights(
                finite("model.layers." + index + ".input_layernorm.weight"),
                finite("model.layers." + index + ".post_attention_layernorm.weight"),
                null,
                projections);
    }

    private float[] finite(String name) {
        float[] values = tensors.floats(name);
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                throw new UnsupportedCheckpoint(
                        "tensor " + name + " holds " + values[i] + " at " + i);
            }
        }
        return values;
    }

    /** As bf16, F32 and F16 values rounded to nearest even. */
    private short[] bf16(String name) {
        float[] values = finite(name);
        short[] bits = new short[values.length];
        for (int i = 0; i < bits.length; i++) {
            int raw = Float.floatToRawIntBits(values[i]);
            bits[i] = (short) (raw + 0x7FFF + (raw >>> 16 & 1) >>> 16);
        }
        return bits;
    }

    @Override
    public void close() {
        tensors.close();
    }
}
