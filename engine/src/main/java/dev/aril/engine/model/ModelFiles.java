package dev.aril.engine.model;

import dev.aril.engine.ModelCard;
import dev.aril.engine.kernels.ExpertWeights;
import dev.aril.engine.kernels.HeadNorms;
import dev.aril.engine.kernels.LinearWeights;
import dev.aril.engine.model.LayerWeights.ChannelOrders;
import dev.aril.engine.model.LayerWeights.Mixture;
import dev.aril.engine.model.Safetensors.Type;
import dev.aril.engine.model.Safetensors.Writer.Planned;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** An Aril model on disk: reading and writing what {@code engine/FORMAT.md} describes. */
public final class ModelFiles implements WeightSource, AutoCloseable {
    /** Files taken over from the checkpoint as they are; those that exist. */
    public static final List<String> COPIED =
            List.of(
                    "config.json",
                    "generation_config.json",
                    "tokenizer.json",
                    "tokenizer_config.json",
                    "special_tokens_map.json",
                    "chat_template.jinja");

    private static final int FORMAT = 3;
    private static final String HEADER = "aril.json";
    private static final String WEIGHTS = "weights.safetensors";
    private static final JsonMapper JSON = JsonMapper.shared();

    /** {@code aril.json}. */
    record Header(
            int format,
            String name,
            long createdAt,
            Recipe recipe,
            @Nullable Calibrated calibration,
            Map<String, Digested> files) {}

    /** One file's length and SHA-256. */
    record Digested(long bytes, String sha256) {}

    /**
     * What the channel orders were measured on.
     *
     * @param sha256 of the text
     */
    public record Calibrated(String sha256, int tokens) {}

    private final Header header;
    private final ModelConfig config;
    private final Safetensors tensors;

    private ModelFiles(Header header, ModelConfig config, Safetensors tensors) {
        this.header = header;
        this.config = config;
        this.tensors = tensors;
    }

    /**
     * Opens a model and checks every file against its digest.
     *
     * @throws IOException naming the file that is missing or changed
     */
    public static ModelFiles open(Path directory) throws IOException {
        Header header = header(directory);
        if (header.format() != FORMAT) {
            throw new IOException(
                    HEADER
                            + ": format is "
                            + header.format()
                            + ", this version reads "
                            + FORMAT
                            + "; import the checkpoint again");
        }
        for (Map.Entry<String, Digested> file : header.files().entrySet()) {
            Path path = directory.resolve(file.getKey());
            if (!Files.exists(path)) {
                throw new IOException("the model's file " + file.getKey() + " is missing");
            }
            if (!digest(path).equals(file.getValue())) {
                throw new IOException(
                        "the model's file "
                                + file.getKey()
                                + " is not the one that was imported; remove the model's directory to"
                                + " import again");
            }
        }
        return new ModelFiles(
                header,
                Checkpoint.readConfig(directory),
                Safetensors.open(directory.resolve(WEIGHTS)));
    }

    /** Whether a model was imported by an earlier version and must be imported again. */
    public static boolean outdated(Path directory) throws IOException {
        return header(directory).format() < FORMAT;
    }

    private static Header header(Path directory) throws IOException {
        try {
            JsonNode header = JSON.readTree(Files.readAllBytes(directory.resolve(HEADER)));
            if (header.path("recipe") instanceof ObjectNode recipe && !recipe.has("cache")) {
                // from when a recipe's name said the rest
                ((ObjectNode) header)
                        .set(
                                "recipe",
                                JSON.valueToTree(Recipe.named(recipe.path("name").asString(""))));
            }
            return JSON.treeToValue(header, Header.class);
        } catch (JacksonException | IllegalArgumentException e) {
            throw new IOException(
                    HEADER
                            + " is damaged: "
                            + (e instanceof JacksonException j
                                    ? j.getOriginalMessage()
                                    : e.getMessage()),
                    e);
        }
    }

    public ModelCard card() {
        return new ModelCard(
                header.name(),
                header.recipe().name(),
                config.contextLength(),
                config.vocabulary(),
                header.createdAt());
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Recipe recipe() {
        return header.recipe();
    }

    @Override
    public short[] embedding() {
        return tensors.shorts("embedding");
    }

    @Override
    public LinearWeights.Bf16 head() {
        return new LinearWeights.Bf16(
                config.vocabulary(),
                config.hidden(),
                tensors.shorts(config.tiedEmbeddings() ? "embedding" : "head"));
    }

    @Override
    public float[] finalNorm() {
        return tensors.floats("final_norm");
    }

    @Override
    public LayerWeights layer(int index) {
        String layer = "layers." + index + ".";
        List<LinearWeights> projections = new ArrayList<>();
        Map<Projection, float[]> biases = new EnumMap<>(Projection.class);
        for (Projection p : config.projections()) {
            projections.add(matrix(layer, p));
            if (config.traits().biased().contains(p)) {
                biases.put(p, tensors.floats(layer + p.moduleName() + ".bias"));
            }
        }
        return new LayerWeights(
                tensors.floats(layer + "attention_norm"),
                tensors.floats(layer + "mlp_norm"),
                recipe().quantized() ? orders(layer) : null,
                projections,
                biases,
                config.traits().headNorms()
                        ? new HeadNorms(
                                tensors.floats(layer + "query_norm"),
                                tensors.floats(layer + "key_norm"),
                                config.normEpsilon())
                        : null,
                config.mixture() ? mixture(layer) : null);
    }

    private ChannelOrders orders(String layer) {
        return new ChannelOrders(
                tensors.ints(layer + "attention_order"),
                tensors.ints(layer + "output_order"),
                tensors.ints(layer + "mlp_order"),
                config.mixture() ? new int[0] : tensors.ints(layer + "down_order"));
    }

    private Mixture mixture(String layer) {
        int count = config.traits().experts();
        List<ExpertWeights> experts = new ArrayList<>();
        List<int[]> orders = new ArrayList<>();
        for (int e = 0; e < count; e++) {
            String expert = layer + "experts." + e + ".";
            experts.add(
                    new ExpertWeights(
                            matrix(expert, Projection.GATE),
                            matrix(expert, Projection.UP),
                            matrix(expert, Projection.DOWN)));
            if (recipe().quantized()) {
                orders.add(tensors.ints(expert + "down_order"));
            }
        }
        LinearWeights.Bf16 router =
                new LinearWeights.Bf16(count, config.hidden(), tensors.shorts(layer + "router"));
        return new Mixture(router, experts, orders);
    }

    private LinearWeights matrix(String owner, Projection p) {
        String name = owner + p.moduleName() + ".";
        int out = p.out(config);
        int in = p.in(config);
        return recipe().quantized()
                ? new LinearWeights.Int4(
                        out,
                        in,
                        recipe().group(in),
                        recipe().outliers(),
                        bytes(name + "nibbles"),
                        tensors.shorts(name + "scales"),
                        bytes(name + "outlier_codes"),
                        tensors.floats(name + "outlier_scales"))
                : new LinearWeights.Bf16(out, in, tensors.shorts(name + "weight"));
    }

    private byte[] bytes(String name) {
        return tensors.bytes(name).toArray(ValueLayout.JAVA_BYTE);
    }

    @Override
    public void close() {
        tensors.close();
    }

    /**
     * Writes a model into an empty directory.
     *
     * @param checkpoint where {@link #COPIED} come from
     */
    public static void write(
            Path directory,
            String name,
            long createdAt,
            Path checkpoint,
            WeightSource weights,
            @Nullable Calibrated calibration)
            throws IOException {
        try (Safetensors.Writer out =
                new Safetensors.Writer(
                        directory.resolve(WEIGHTS), plan(weights.config(), weights.recipe()))) {
            out.write("embedding", weights::embedding);
            if (!weights.config().tiedEmbeddings()) {
                out.write("head", weights::head);
            }
            out.write("final_norm", weights.finalNorm());
            for (int l = 0; l < weights.config().layers(); l++) {
                write(out, "layers." + l + ".", weights.layer(l));
            }
        }
        Map<String, Digested> files = new TreeMap<>();
        files.put(WEIGHTS, digest(directory.resolve(WEIGHTS)));
        for (String file : COPIED) {
            if (Files.exists(checkpoint.resolve(file))) {
                Files.copy(checkpoint.resolve(file), directory.resolve(file));
                sync(directory.resolve(file));
                files.put(file, digest(directory.resolve(file)));
            }
        }
        Header header = new Header(FORMAT, name, createdAt, weights.recipe(), calibration, files);
        Files.write(
                directory.resolve(HEADER),
                JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(header));
        sync(directory.resolve(HEADER));
    }

    private static void write(Safetensors.Writer out, String layer, LayerWeights weights) {
        out.write(layer + "attention_norm", weights.attentionNorm());
        out.write(layer + "mlp_norm", weights.mlpNorm());
        HeadNorms norms = weights.headNorms();
        if (norms != null) {
            out.write(layer + "query_norm", norms.query());
            out.write(layer + "key_norm", norms.key());
        }
        Mixture mixture = weights.mixture();
        ChannelOrders orders = weights.orders();
        if (orders != null) {
            out.write(layer + "attention_order", orders.attention());
            out.write(layer + "output_order", orders.output());
            out.write(layer + "mlp_order", orders.mlp());
            if (mixture == null) {
                out.write(layer + "down_order", orders.down());
            }
        }
        for (Projection p : mixture == null ? Projection.ALL : Projection.ATTENTION) {
            matrix(out, layer, p, weights.get(p));
            float[] bias = weights.bias(p);
            if (bias != null) {
                out.write(layer + p.moduleName() + ".bias", bias);
            }
        }
        if (mixture == null) {
            return;
        }
        out.write(layer + "router", mixture.router().bits());
        for (int e = 0; e < mixture.experts().size(); e++) {
            String expert = layer + "experts." + e + ".";
            if (orders != null) {
                out.write(expert + "down_order", mixture.downOrders().get(e));
            }
            matrix(out, expert, Projection.GATE, mixture.experts().get(e).gate());
            matrix(out, expert, Projection.UP, mixture.experts().get(e).up());
            matrix(out, expert, Projection.DOWN, mixture.experts().get(e).down());
        }
    }

    private static void matrix(
            Safetensors.Writer out, String owner, Projection p, LinearWeights weights) {
        String name = owner + p.moduleName() + ".";
        switch (weights) {
            case LinearWeights.Bf16 w -> out.write(name + "weight", w.bits());
            case LinearWeights.Int4 w -> {
                out.write(name + "nibbles", w.nibbles());
                out.write(name + "scales", w.scales());
                out.write(name + "outlier_codes", w.outlierCodes());
                out.write(name + "outlier_scales", w.outlierScales());
            }
        }
    }

    /** What a model's weights take on disk, but for a header of some kilobytes. */
    public static long bytes(ModelConfig config, Recipe recipe) {
        return plan(config, recipe).stream().mapToLong(Planned::bytes).sum();
    }

    private static List<Planned> plan(ModelConfig c, Recipe recipe) {
        List<Planned> plan = new ArrayList<>();
        plan.add(planned("embedding", Type.BF16, c.vocabulary(), c.hidden()));
        if (!c.tiedEmbeddings()) {
            plan.add(planned("head", Type.BF16, c.vocabulary(), c.hidden()));
        }
        plan.add(planned("final_norm", Type.F32, c.hidden()));
        for (int l = 0; l < c.layers(); l++) {
            plan(plan, c, recipe, "layers." + l + ".");
        }
        return plan;
    }

    private static void plan(List<Planned> plan, ModelConfig c, Recipe recipe, String layer) {
        plan.add(planned(layer + "attention_norm", Type.F32, c.hidden()));
        plan.add(planned(layer + "mlp_norm", Type.F32, c.hidden()));
        if (c.traits().headNorms()) {
            plan.add(planned(layer + "query_norm", Type.F32, c.headDim()));
            plan.add(planned(layer + "key_norm", Type.F32, c.headDim()));
        }
        if (recipe.quantized()) {
            plan.add(planned(layer + "attention_order", Type.I32, c.hidden()));
            plan.add(planned(layer + "output_order", Type.I32, c.queryWidth()));
            plan.add(planned(layer + "mlp_order", Type.I32, c.hidden()));
            if (!c.mixture()) {
                plan.add(planned(layer + "down_order", Type.I32, c.intermediate()));
            }
        }
        for (Projection p : c.projections()) {
            matrix(plan, c, recipe, layer, p);
            if (c.traits().biased().contains(p)) {
                plan.add(planned(layer + p.moduleName() + ".bias", Type.F32, p.out(c)));
            }
        }
        if (c.mixture()) {
            plan.add(planned(layer + "router", Type.BF16, c.traits().experts(), c.hidden()));
        }
        for (int e = 0; e < c.traits().experts(); e++) {
            String expert = layer + "experts." + e + ".";
            if (recipe.quantized()) {
                plan.add(planned(expert + "down_order", Type.I32, c.intermediate()));
            }
            for (Projection p : Projection.MLP) {
                matrix(plan, c, recipe, expert, p);
            }
        }
    }

    private static void matrix(
            List<Planned> plan, ModelConfig c, Recipe recipe, String owner, Projection p) {
        String name = owner + p.moduleName() + ".";
        long out = p.out(c);
        long in = p.in(c);
        if (recipe.quantized()) {
            long regular = in - recipe.outliers();
            plan.add(planned(name + "nibbles", Type.U8, out, regular / 2));
            plan.add(planned(name + "scales", Type.F16, out, regular / recipe.group((int) in)));
            plan.add(planned(name + "outlier_codes", Type.I8, out, recipe.outliers()));
            plan.add(planned(name + "outlier_scales", Type.F32, out));
        } else {
            plan.add(planned(name + "weight", Type.BF16, out, in));
        }
    }

    private static Planned planned(String name, Type type, long... shape) {
        return new Planned(name, type, LongStream.of(shape).boxed().toList());
    }

    private static void sync(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
    }

    private static Digested digest(Path file) throws IOException {
        MessageDigest sha = Sha256.begin();
        try (InputStream in = new DigestInputStream(Files.newInputStream(file), sha)) {
            in.transferTo(java.io.OutputStream.nullOutputStream());
        }
        return new Digested(Files.size(file), Sha256.end(sha));
    }
}
