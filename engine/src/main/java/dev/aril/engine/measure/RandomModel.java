package dev.aril.engine.measure;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.Device;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineSettings;
import dev.aril.engine.ModelCard;
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
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import tools.jackson.databind.json.JsonMapper;

/**
 * What an engine needs of a model besides its weights: a tokenizer whose every id has a text, so
 * that each sampled id is heard of, and an adapter's files. They lie in a temporary folder until
 * this is closed.
 */
final class RandomModel implements AutoCloseable {
    private final Path folder = Files.createTempDirectory("aril-bench");

    RandomModel() throws IOException {}

    Engine start(Shape shape, EngineSettings settings, Device device) throws IOException {
        ModelConfig config = shape.config();
        Path texts = Files.createDirectories(folder.resolve(shape.label()));
        writeTokenizer(texts, config.vocabulary());
        ModelCard card =
                new ModelCard(
                        shape.label(), "w4a4", config.contextLength(), config.vocabulary(), 0);
        return Engine.start(card, RandomWeights.of(config, 5), texts, settings, device);
    }

    /** Byte-pair encoding without a merge: {@code a0}, {@code a1}, … */
    private static void writeTokenizer(Path texts, int vocabulary) throws IOException {
        Map<String, Integer> ids = new LinkedHashMap<>();
        for (int id = 0; id < vocabulary; id++) {
            ids.put("a" + id, id);
        }
        Map<String, Object> model = new LinkedHashMap<>();
        model.put("type", "BPE");
        model.put("vocab", ids);
        model.put("merges", List.of());
        Map<String, Object> bytes =
                Map.of(
                        "type",
                        "ByteLevel",
                        "add_prefix_space",
                        false,
                        "trim_offsets",
                        true,
                        "use_regex",
                        false);
        Map<String, Object> tokenizer = new LinkedHashMap<>();
        tokenizer.put("version", "1.0");
        tokenizer.put("added_tokens", List.of());
        tokenizer.put("pre_tokenizer", bytes);
        tokenizer.put("decoder", bytes);
        tokenizer.put("model", model);
        Files.write(
                texts.resolve("tokenizer.json"), JsonMapper.shared().writeValueAsBytes(tokenizer));
        Files.writeString(texts.resolve("tokenizer_config.json"), "{}");
    }

    /**
     * Adapters of all seven projections. Each is loaded apart from the others, as the digests want
     * it, though all are read from the same two files: gigabytes need not be written first.
     *
     * @param set tells these adapters from those of other calls
     */
    List<AdapterRef> adapters(Shape shape, int rank, int set, int count) throws IOException {
        Path files = Files.createDirectories(folder.resolve(shape.label() + "-rank-" + rank));
        writeAdapter(files, shape.config(), rank);
        List<AdapterRef> adapters = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            adapters.add(new AdapterRef(String.format("%032x%032x", set, i), files));
        }
        return adapters;
    }

    private static void writeAdapter(Path files, ModelConfig config, int rank) throws IOException {
        Path tensors = files.resolve("adapter_model.safetensors");
        if (Files.exists(tensors)) {
            return;
        }
        Files.write(
                files.resolve("adapter_config.json"),
                JsonMapper.shared()
                        .writeValueAsBytes(
                                Map.of(
                                        "peft_type",
                                        "LORA",
                                        "task_type",
                                        "CAUSAL_LM",
                                        "r",
                                        rank,
                                        "lora_alpha",
                                        rank,
                                        "target_modules",
                                        Arrays.stream(Projection.values())
                                                .map(Projection::moduleName)
                                                .toList())));
        List<Planned> plan = new ArrayList<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            for (Projection p : Projection.values()) {
                String module = "base_model.model." + p.path(layer);
                long in = p.in(config);
                long out = p.out(config);
                plan.add(
                        new Planned(
                                module + ".lora_A.weight", Type.BF16, List.of((long) rank, in)));
                plan.add(
                        new Planned(
                                module + ".lora_B.weight", Type.BF16, List.of(out, (long) rank)));
            }
        }
        SplittableRandom random = new SplittableRandom(9);
        try (Safetensors.Writer out = new Safetensors.Writer(tensors, plan)) {
            for (Planned tensor : plan) {
                long count = tensor.shape().get(0) * tensor.shape().get(1);
                out.write(tensor.name(), RandomWeights.bf16(Math.toIntExact(count), random));
            }
        }
    }

    @Override
    public void close() throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
