package dev.aril.engine.measure;

import dev.aril.engine.kernels.Bf16Bits;
import dev.aril.engine.model.CheckpointTensors;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Projection;
import dev.aril.engine.model.Safetensors;
import dev.aril.engine.model.Safetensors.Type;
import dev.aril.engine.model.Safetensors.Writer.Planned;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import tools.jackson.databind.json.JsonMapper;

/**
 * A Hugging Face checkpoint in a model's shape whose weights mean nothing: what an import costs
 * does not depend on their values.
 */
final class RandomCheckpoint {
    /** Weights repeat themselves after so many values, each tensor from another one on. */
    private static final int PERIOD = 1 << 20;

    private static final long SHARD_BYTES = 1L << 30;
    private static final float DEVIATION = 0.02f;
    private static final List<String> TOKENIZER =
            List.of("tokenizer.json", "tokenizer_config.json");

    private final ModelConfig config;
    private final short[] values = new short[PERIOD];
    private int tensors;

    private RandomCheckpoint(ModelConfig config) {
        this.config = config;
        Random random = new Random(1);
        for (int i = 0; i < PERIOD; i++) {
            float x = (float) random.nextGaussian() * DEVIATION;
            values[i] = Bf16Bits.upper(x);
        }
    }

    /**
     * Writes one.
     *
     * @param shape a Llama's
     * @param layers of it
     * @param tokenizer a checkpoint whose tokenizer it gets; its ids are fewer
     * @param folder is made
     */
    static void write(Shape shape, int layers, Path tokenizer, Path folder) throws IOException {
        Files.createDirectories(folder);
        new RandomCheckpoint(shape.config()).write(layers, folder);
        for (String file : TOKENIZER) {
            Files.copy(tokenizer.resolve(file), folder.resolve(file));
        }
    }

    private void write(int layers, Path folder) throws IOException {
        List<Planned> plan = new ArrayList<>();
        plan.add(matrix(CheckpointTensors.EMBEDDING, config.vocabulary(), config.hidden()));
        for (int l = 0; l < layers; l++) {
            plan.add(norm(CheckpointTensors.attentionNorm(l)));
            plan.add(norm(CheckpointTensors.mlpNorm(l)));
            for (Projection p : Projection.ALL) {
                plan.add(matrix(p.path(l) + ".weight", p.out(config), p.in(config)));
            }
        }
        plan.add(norm(CheckpointTensors.FINAL_NORM));
        if (!config.tiedEmbeddings()) {
            plan.add(matrix(CheckpointTensors.HEAD, config.vocabulary(), config.hidden()));
        }
        List<List<Planned>> shards = shards(plan);
        Map<String, String> index = new LinkedHashMap<>();
        long bytes = 0;
        for (int i = 0; i < shards.size(); i++) {
            String name = String.format("model-%05d-of-%05d.safetensors", i + 1, shards.size());
            try (Safetensors.Writer to =
                    new Safetensors.Writer(folder.resolve(name), shards.get(i))) {
                for (Planned tensor : shards.get(i)) {
                    boolean norm = tensor.shape().size() == 1;
                    int count = Math.toIntExact(tensor.elements());
                    to.write(tensor.name(), norm ? ones(count) : some(count));
                    index.put(tensor.name(), name);
                    bytes += tensor.bytes();
                }
            }
        }
        Files.write(
                folder.resolve("model.safetensors.index.json"),
                JsonMapper.shared()
                        .writeValueAsBytes(
                                Map.of(
                                        "metadata",
                                        Map.of("total_size", bytes),
                                        "weight_map",
                                        index)));
        Files.write(
                folder.resolve("config.json"),
                JsonMapper.shared().writeValueAsBytes(fields(layers)));
    }

    /** Files of {@link #SHARD_BYTES}, or of one tensor where it is larger. */
    private static List<List<Planned>> shards(List<Planned> plan) {
        List<List<Planned>> shards = new ArrayList<>();
        long bytes = SHARD_BYTES;
        for (Planned tensor : plan) {
            if (bytes + tensor.bytes() > SHARD_BYTES) {
                shards.add(new ArrayList<>());
                bytes = 0;
            }
            shards.getLast().add(tensor);
            bytes += tensor.bytes();
        }
        return shards;
    }

    private static Planned matrix(String name, long out, long in) {
        return new Planned(name, Type.BF16, List.of(out, in));
    }

    private Planned norm(String name) {
        return new Planned(name, Type.BF16, List.of((long) config.hidden()));
    }

    private static short[] ones(int count) {
        short[] ones = new short[count];
        Arrays.fill(ones, Bf16Bits.upper(1));
        return ones;
    }

    private short[] some(int count) {
        short[] some = new short[count];
        int from = tensors++ * 7919 % PERIOD; // a prime: each tensor begins elsewhere
        for (int at = 0; at < count; from = 0) {
            int length = Math.min(count - at, PERIOD - from);
            System.arraycopy(values, from, some, at, length);
            at += length;
        }
        return some;
    }

    private Map<String, Object> fields(int layers) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("architectures", List.of("LlamaForCausalLM"));
        fields.put("model_type", "llama");
        fields.put("hidden_act", "silu");
        fields.put("hidden_size", config.hidden());
        fields.put("intermediate_size", config.intermediate());
        fields.put("num_hidden_layers", layers);
        fields.put("num_attention_heads", config.heads());
        fields.put("num_key_value_heads", config.kvHeads());
        fields.put("head_dim", config.headDim());
        fields.put("vocab_size", config.vocabulary());
        fields.put("max_position_embeddings", config.contextLength());
        fields.put("rms_norm_eps", config.normEpsilon());
        fields.put("rope_theta", config.ropeTheta());
        fields.put("tie_word_embeddings", config.tiedEmbeddings());
        fields.put("bos_token_id", config.bosId());
        fields.put("eos_token_id", config.eosIds().stream().sorted().toList());
        fields.put("torch_dtype", "bfloat16");
        return fields;
    }
}
