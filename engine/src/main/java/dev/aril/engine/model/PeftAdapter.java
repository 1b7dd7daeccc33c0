package dev.aril.engine.model;

import static dev.aril.engine.model.AdapterTensors.rejected;

import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterRejected.Part;
import dev.aril.engine.AdapterSummary;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * A LoRA adapter in PEFT's two files, checked whole against a model: every tensor belongs to a
 * module that the config targets, every targeted module has both matrices, in the right shape and
 * finite. The tensors stay in the file until {@link #pair} widens them; close it afterwards.
 *
 * <p>The digest is SHA-256 over what the adapter computes, not over how its files are written: for
 * each module in the order of their names the line {@code <module> scaling <float bits, hex>}, then
 * for A and B the line {@code <dtype> <rows> <columns>} and the tensor's bytes, lines in ASCII and
 * ended by a line feed, after the first line {@code aril adapter 1}.
 */
public final class PeftAdapter implements AutoCloseable {
    private static final String CONFIG_FILE = "adapter_config.json";
    private static final String MODEL_FILE = "adapter_model.safetensors";

    /** One adapted module. */
    private record Module(Projection projection, int rank, float scaling) {}

    private final AdapterTensors tensors;

    /** By path, in the order of the digest. */
    private final TreeMap<String, Module> modules = new TreeMap<>();

    private final AdapterSummary summary;

    private PeftAdapter(PeftConfig peft, AdapterTensors tensors, ModelConfig config)
            throws AdapterRejected {
        this.tensors = tensors;
        refuseModulesOutsideLayers(peft, config);
        for (int layer = 0; layer < config.layers(); layer++) {
            for (Projection projection : config.projections()) {
                if (peft.targets(layer, projection)) {
                    add(projection.path(layer), projection, peft, config);
                }
            }
        }
        if (modules.isEmpty()) {
            throw PeftFields.rejected(
                    "target_modules names no module of this model; name some of "
                            + names(Set.copyOf(config.projections())));
        }
        refuseStrangers(config);
        for (String path : modules.keySet()) {
            tensors.requireFinite(path + ".lora_A");
            tensors.requireFinite(path + ".lora_B");
        }
        this.summary = summarize();
    }

    /**
     * @param folder holds {@code adapter_config.json} and {@code adapter_model.safetensors}
     * @throws AdapterRejected if this model cannot serve it, or a file is missing
     */
    public static PeftAdapter read(Path folder, ModelConfig config)
            throws AdapterRejected, IOException {
        PeftConfig peft = PeftConfig.parse(configBytes(folder.resolve(CONFIG_FILE)));
        AdapterTensors tensors;
        try {
            tensors = AdapterTensors.open(folder.resolve(MODEL_FILE));
        } catch (NoSuchFileException e) {
            throw rejected("the file adapter_model.safetensors is missing");
        }
        try {
            return new PeftAdapter(peft, tensors, config);
        } catch (AdapterRejected | RuntimeException e) {
            tensors.close();
            throw e;
        }
    }

    /** The update of one module; empty where the adapter leaves it as it is. */
    public Optional<LoraPair> pair(int layer, Projection projection) {
        String path = projection.path(layer);
        return Optional.ofNullable(modules.get(path))
                .map(m ->
                        new LoraPair(
                                m.rank(),
                                m.scaling(),
                                tensors.floats(path + ".lora_A"),
                                tensors.floats(path + ".lora_B")));
    }

    public AdapterSummary summary() {
        return summary;
    }

    /** Of the canonical form above, 64 lower-case hex digits. */
    public String digest() {
        return summary.digest();
    }

    @Override
    public void close() {
        tensors.close();
    }

    private static byte[] configBytes(Path file) throws AdapterRejected, IOException {
        try (InputStream in = Files.newInputStream(file)) {
            // One byte more than is read tells that there are more.
            return in.readNBytes(PeftFields.MAX_BYTES + 1);
        } catch (NoSuchFileException e) {
            throw new AdapterRejected(
                    Part.CONFIG, "adapter_config: the file adapter_config.json is missing");
        }
    }

    private static void refuseModulesOutsideLayers(PeftConfig peft, ModelConfig config)
            throws AdapterRejected {
        List<String> others = new ArrayList<>(List.of("model.embed_tokens", "lm_head"));
        if (config.mixture()) {
            others.addAll(mixtureModules(config));
        }
        for (String path : others) {
            if (peft.targets(path)) {
                throw PeftFields.rejected(
                        "target_modules names "
                                + path
                                + ", which cannot be adapted; name some of "
                                + names(Set.copyOf(config.projections())));
            }
        }
    }

    /** Routers and experts: which rows an expert computes is known to no adapter. */
    private static List<String> mixtureModules(ModelConfig config) {
        List<String> modules = new ArrayList<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            modules.add(module(CheckpointTensors.router(layer)));
            for (int e = 0; e < config.traits().experts(); e++) {
                for (Projection p : Projection.MLP) {
                    modules.add(module(CheckpointTensors.expert(layer, e, p)));
                }
            }
        }
        return modules;
    }

    private static String module(String tensor) {
        return tensor.substring(0, tensor.length() - ".weight".length());
    }

    private void add(String path, Projection projection, PeftConfig peft, ModelConfig config)
            throws AdapterRejected {
        for (String half : new String[] {".lora_A", ".lora_B"}) {
            if (!tensors.has(path + half)) {
                throw rejected(
                        "tensor base_model.model."
                                + path
                                + half
                                + ".weight is missing, though target_modules names its module");
            }
        }
        int rank = peft.rank(path);
        tensors.requireShape(
                path + ".lora_A",
                rank,
                projection.in(config),
                "rank by adapter_config, input width of " + projection.moduleName());
        tensors.requireShape(
                path + ".lora_B",
                projection.out(config),
                rank,
                "output width of " + projection.moduleName() + ", rank by adapter_config");
        modules.put(path, new Module(projection, rank, peft.scaling(path)));
    }

    private void refuseStrangers(ModelConfig config) throws AdapterRejected {
        Set<String> known = new HashSet<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            for (Projection projection : config.projections()) {
                known.add(projection.path(layer));
            }
        }
        for (Map.Entry<String, String> e : new TreeMap<>(tensors.spellings()).entrySet()) {
            String path = e.getKey().substring(0, e.getKey().length() - ".lora_A".length());
            if (!modules.containsKey(path)) {
                throw rejected("tensor " + e.getValue() + stranger(path, known, config));
            }
        }
    }

    private static String stranger(String path, Set<String> known, ModelConfig config) {
        if (known.contains(path)) {
            return " is for a module that adapter_config does not target";
        }
        if (config.mixture() && path.matches(".*\\.(block_sparse_moe|mlp)\\..*")) {
            return " is for a router or an expert, which cannot be adapted; train one of "
                    + names(Set.copyOf(config.projections()));
        }
        return " is for a module that this model of " + config.layers() + " layers does not have";
    }

    private AdapterSummary summarize() {
        MessageDigest sha = Sha256.begin();
        line(sha, "aril adapter 1");
        long parameters = 0;
        int rank = 0;
        Set<Projection> changed = new HashSet<>();
        for (Map.Entry<String, Module> e : modules.entrySet()) {
            Module module = e.getValue();
            line(
                    sha,
                    e.getKey()
                            + " scaling "
                            + Integer.toHexString(Float.floatToIntBits(module.scaling())));
            for (String half : new String[] {".lora_A", ".lora_B"}) {
                Safetensors.Entry tensor = tensors.entry(e.getKey() + half);
                line(
                        sha,
                        tensor.type() + " " + tensor.shape().get(0) + " " + tensor.shape().get(1));
                sha.update(tensors.bytes(e.getKey() + half).asByteBuffer());
                parameters += tensor.elements();
            }
            rank = Math.max(rank, module.rank());
            changed.add(module.projection());
        }
        return new AdapterSummary(
                Sha256.end(sha), rank, names(changed).stream().toList(), parameters);
    }

    private static TreeSet<String> names(Set<Projection> projections) {
        TreeSet<String> out = new TreeSet<>();
        projections.forEach(p -> out.add(p.moduleName()));
        return out;
    }

    private static void line(MessageDigest sha, String text) {
        sha.update((text + "\n").getBytes(StandardCharsets.US_ASCII));
    }
}
