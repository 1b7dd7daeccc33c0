package dev.aril.engine.model;

import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.model.ModelConfig.Traits;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/**
 * A Hugging Face {@code config.json} of the Llama family. A field that is absent means what it
 * means to the family's class in transformers.
 */
final class HubConfig {
    private enum Family {
        LLAMA("llama", "LlamaForCausalLM", 1e-6, 10_000),
        MISTRAL("mistral", "MistralForCausalLM", 1e-6, 10_000),
        MIXTRAL("mixtral", "MixtralForCausalLM", 1e-5, 1e6),
        QWEN2("qwen2", "Qwen2ForCausalLM", 1e-6, 10_000),
        QWEN3("qwen3", "Qwen3ForCausalLM", 1e-6, 10_000);

        private final String type;
        private final String architecture;
        private final double epsilon;
        private final double theta;

        Family(String type, String architecture, double epsilon, double theta) {
            this.type = type;
            this.architecture = architecture;
            this.epsilon = epsilon;
            this.theta = theta;
        }

        static Family of(ConfigFields fields) {
            String type = fields.text("model_type");
            for (Family family : values()) {
                if (family.type.equals(type)) {
                    return family;
                }
            }
            throw new UnsupportedCheckpoint(
                    "config.json: model_type \""
                            + Printable.of(type)
                            + "\" is not supported; "
                            + Arrays.stream(values())
                                    .map(f -> f.type)
                                    .collect(Collectors.joining(", "))
                            + " are");
        }
    }

    private final ConfigFields fields;
    private final Family family;
    private final int layers;

    private HubConfig(ConfigFields fields) {
        this.fields = fields;
        this.family = Family.of(fields);
        this.layers = fields.positive("num_hidden_layers");
    }

    static ModelConfig parse(JsonNode json) {
        if (!json.isObject()) {
            throw new UnsupportedCheckpoint("config.json is not a JSON object");
        }
        return new HubConfig(new ConfigFields("config.json", json, "")).read();
    }

    private ModelConfig read() {
        checkArchitecture();
        ForeignFields.refuse(fields, family == Family.MIXTRAL);
        int hidden = fields.positive("hidden_size");
        int heads = fields.positive("num_attention_heads");
        int kvHeads = kvHeads(heads);
        int headDim = headDim(hidden, heads);
        RopeFields rope = RopeFields.of(fields, family.theta);
        int vocabulary = fields.positive("vocab_size");
        int context = rope.context(fields.positive("max_position_embeddings"));
        int experts = family == Family.MIXTRAL ? fields.positive("num_local_experts", 8) : 0;
        return new ModelConfig(
                hidden,
                fields.positive("intermediate_size"),
                layers,
                heads,
                kvHeads,
                headDim,
                vocabulary,
                context,
                rope.theta(),
                (float) fields.number("rms_norm_eps", family.epsilon),
                fields.flag("tie_word_embeddings"),
                bos(vocabulary),
                eos(),
                new Traits(
                        rope.scaling(),
                        windows(context),
                        biased(),
                        family == Family.QWEN3,
                        experts,
                        perRow(experts)));
    }

    private void checkArchitecture() {
        if (!fields.has("architectures")) {
            return;
        }
        for (JsonNode name : fields.object().path("architectures")) {
            if (name.asString("").equalsIgnoreCase(family.architecture)) {
                return;
            }
        }
        throw fields.unsupported("architectures", family.architecture + " is");
    }

    private int kvHeads(int heads) {
        // only Llama's class takes as many as query heads where the field is absent
        int kvHeads =
                family == Family.LLAMA || fields.mentions("num_key_value_heads")
                        ? fields.positive("num_key_value_heads", heads)
                        : fields.positive("num_key_value_heads");
        if (heads % kvHeads != 0) {
            throw new UnsupportedCheckpoint(
                    "config.json: num_attention_heads "
                            + heads
                            + " is not a multiple of num_key_value_heads "
                            + kvHeads);
        }
        return kvHeads;
    }

    private int headDim(int hidden, int heads) {
        boolean given = fields.has("head_dim");
        if (!given && hidden % heads != 0) {
            throw new UnsupportedCheckpoint(
                    "config.json: hidden_size "
                            + hidden
                            + " is not a multiple of num_attention_heads "
                            + heads
                            + ", and there is no head_dim");
        }
        int headDim =
                given
                        ? fields.positive("head_dim")
                        : family == Family.QWEN3 && !fields.mentions("head_dim")
                                ? 128
                                : hidden / heads;
        // the cache is rotated by a Hadamard matrix of this size, a vector holds up to 16 floats
        if (Integer.bitCount(headDim) != 1 || headDim < 32) {
            throw new UnsupportedCheckpoint(
                    "config.json: head_dim must be a power of two of at least 32, not " + headDim);
        }
        return headDim;
    }

    private Set<Projection> biased() {
        Set<Projection> biased = EnumSet.noneOf(Projection.class);
        switch (family) {
            case QWEN2 -> biased.addAll(List.of(Projection.Q, Projection.K, Projection.V));
            case LLAMA, QWEN3 -> {
                if (fields.flag("attention_bias")) {
                    biased.addAll(Projection.ATTENTION);
                }
            }
            case MISTRAL, MIXTRAL -> {
                if (fields.flag("attention_bias")) {
                    throw fields.unsupported(
                            "attention_bias", family.type + " has no biases in attention");
                }
            }
        }
        return biased;
    }

    private int perRow(int experts) {
        if (experts == 0) {
            return 0;
        }
        int perRow = fields.positive("num_experts_per_tok", 2);
        if (perRow > experts) {
            throw fields.wrong(
                    "num_experts_per_tok", "must be at most num_local_experts, " + experts);
        }
        return perRow;
    }

    /** Each layer's, or none at all. */
    private List<Integer> windows(int context) {
        List<Integer> windows = new ArrayList<>(derivedWindows());
        if (fields.has("layer_types")) {
            layerTypes(windows);
        }
        // what no sequence is longer than is no window
        windows.replaceAll(w -> w >= context ? Kernels.NO_WINDOW : w);
        return Collections.frequency(windows, Kernels.NO_WINDOW) == layers ? List.of() : windows;
    }

    private List<Integer> derivedWindows() {
        return switch (family) {
            case LLAMA -> {
                if (fields.has("sliding_window")
                        && (fields.flag("use_sliding_window")
                                || !fields.has("use_sliding_window"))) {
                    throw fields.unsupported(
                            "sliding_window", "llama has none; remove it if it means nothing");
                }
                yield Collections.nCopies(layers, Kernels.NO_WINDOW);
            }
            case MISTRAL, MIXTRAL -> Collections.nCopies(layers, window(family == Family.MISTRAL));
            case QWEN2, QWEN3 -> qwenWindows();
        };
    }

    /** Layers from max_window_layers on have the window, if it is used at all. */
    private List<Integer> qwenWindows() {
        if (!fields.flag("use_sliding_window")) {
            return Collections.nCopies(layers, Kernels.NO_WINDOW);
        }
        int window = window(true);
        int first = 28;
        if (fields.has("max_window_layers")) {
            JsonNode node = fields.object().path("max_window_layers");
            if (!node.isInt() || node.asInt() < 0) {
                throw fields.wrong("max_window_layers", "must be a whole number");
            }
            first = node.asInt();
        }
        List<Integer> windows = new ArrayList<>();
        for (int l = 0; l < layers; l++) {
            windows.add(l < first ? Kernels.NO_WINDOW : window);
        }
        return windows;
    }

    /**
     * Null says that there is none; what absence says depends on the family.
     *
     * @param usual whether the family's class has one of 4096 where nothing is said
     */
    private int window(boolean usual) {
        if (!fields.has("sliding_window")) {
            return usual && !fields.mentions("sliding_window") ? 4096 : Kernels.NO_WINDOW;
        }
        if (fields.has("use_sliding_window") && !fields.flag("use_sliding_window")) {
            throw fields.unsupported(
                    "sliding_window", "use_sliding_window says otherwise; set it to null");
        }
        return fields.positive("sliding_window");
    }

    /** Qwen's classes follow layer_types; where others have it, it must say what they do anyway. */
    private void layerTypes(List<Integer> windows) {
        JsonNode types = fields.object().path("layer_types");
        if (!types.isArray() || types.size() != layers) {
            throw fields.wrong("layer_types", "must name each of the " + layers + " layers");
        }
        boolean follows = family == Family.QWEN2 || family == Family.QWEN3;
        for (int l = 0; l < layers; l++) {
            boolean slides =
                    switch (types.path(l).asString("")) {
                        case "full_attention" -> false;
                        case "sliding_attention" -> true;
                        default ->
                                throw new UnsupportedCheckpoint(
                                        "config.json: layer_types holds "
                                                + Printable.of(types.path(l).toString())
                                                + "; full_attention and sliding_attention are"
                                                + " supported");
                    };
            if (follows) {
                if (slides && !fields.flag("use_sliding_window")) {
                    throw fields.unsupported(
                            "layer_types", "it slides, and use_sliding_window is not true");
                }
                windows.set(l, slides ? window(true) : Kernels.NO_WINDOW);
            } else if (slides != (windows.get(l) != Kernels.NO_WINDOW)) {
                throw fields.unsupported(
                        "layer_types", "all layers of " + family.type + " are alike");
            }
        }
    }

    private int bos(int vocabulary) {
        JsonNode node = fields.object().path("bos_token_id");
        if (node.isMissingNode() || node.isNull()) {
            return -1;
        }
        if (!node.isInt() || node.asInt() < 0 || node.asInt() >= vocabulary) {
            throw fields.wrong("bos_token_id", "must be an id of the vocabulary");
        }
        return node.asInt();
    }

    private Set<Integer> eos() {
        return ids(fields, "eos_token_id");
    }

    /** An id, a list of ids, or none. */
    static Set<Integer> ids(ConfigFields fields, String name) {
        if (!fields.has(name)) {
            return Set.of();
        }
        JsonNode node = fields.object().path(name);
        List<JsonNode> ids = node.isArray() ? node.valueStream().toList() : List.of(node);
        if (!ids.stream().allMatch(JsonNode::isInt)) {
            throw fields.wrong(name, "must be an id or a list of ids");
        }
        return ids.stream().map(JsonNode::asInt).collect(Collectors.toUnmodifiableSet());
    }
}
