package dev.aril.engine.model;

import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.kernels.Kernels;
import java.util.List;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * A Llama-family decoder's shape, from a Hugging Face {@code config.json}.
 *
 * @param hidden width of the residual stream
 * @param intermediate width of the MLP
 * @param layers decoder layers
 * @param heads query heads
 * @param kvHeads key and value heads; divides {@code heads}
 * @param headDim a power of two
 * @param vocabulary token ids
 * @param contextLength positions
 * @param ropeTheta base of the rotary frequencies
 * @param normEpsilon added to the mean square in RMSNorm
 * @param tiedEmbeddings the output head is the embedding table
 * @param bosId begins every sequence
 * @param eosIds end a generation
 * @param traits what plain Llama lacks
 */
public record ModelConfig(
        int hidden,
        int intermediate,
        int layers,
        int heads,
        int kvHeads,
        int headDim,
        int vocabulary,
        int contextLength,
        double ropeTheta,
        float normEpsilon,
        boolean tiedEmbeddings,
        int bosId,
        Set<Integer> eosIds,
        Traits traits) {
    public ModelConfig {
        eosIds = Set.copyOf(eosIds);
    }

    /** Plain Llama. */
    public ModelConfig(
            int hidden,
            int intermediate,
            int layers,
            int heads,
            int kvHeads,
            int headDim,
            int vocabulary,
            int contextLength,
            double ropeTheta,
            float normEpsilon,
            boolean tiedEmbeddings,
            int bosId,
            Set<Integer> eosIds) {
        this(
                hidden,
                intermediate,
                layers,
                heads,
                kvHeads,
                headDim,
                vocabulary,
                contextLength,
                ropeTheta,
                normEpsilon,
                tiedEmbeddings,
                bosId,
                eosIds,
                Traits.PLAIN);
    }

    /**
     * What sets a model apart from plain Llama.
     *
     * @param windows [layers] positions that attention sees, {@link Kernels#NO_WINDOW} for all;
     *     empty if no layer has a window
     * @param biased projections with a bias
     * @param headNorms whether query and key heads have a norm each
     * @param experts of each layer's mixture; 0 if it has an MLP
     * @param expertsPerRow that compute each row
     */
    public record Traits(
            RopeScaling ropeScaling,
            List<Integer> windows,
            Set<Projection> biased,
            boolean headNorms,
            int experts,
            int expertsPerRow) {
        public static final Traits PLAIN =
                new Traits(RopeScaling.NONE, List.of(), Set.of(), false, 0, 0);

        public Traits {
            windows = List.copyOf(windows);
            biased = Set.copyOf(biased);
        }
    }

    /** How many positions a layer's attention sees, the row's own included. */
    public int window(int layer) {
        return traits.windows().isEmpty() ? Kernels.NO_WINDOW : traits.windows().get(layer);
    }

    /** Whether experts take the MLP's place. */
    public boolean mixture() {
        return traits.experts() > 0;
    }

    /** The projections a layer has besides experts. */
    public List<Projection> projections() {
        return mixture() ? Projection.ATTENTION : Projection.ALL;
    }

    /** Width of the concatenated query heads. */
    public int queryWidth() {
        return heads * headDim;
    }

    /** Width of the concatenated key (or value) heads. */
    public int kvWidth() {
        return kvHeads * headDim;
    }

    /**
     * @throws UnsupportedCheckpoint if a field is missing, out of range, or asks for mathematics
     *     that is not implemented; the message names it
     */
    public static ModelConfig parse(JsonNode config) {
        String type = text(config, "model_type");
        if (!type.equals("llama")) {
            throw new UnsupportedCheckpoint(
                    "model_type \"" + type + "\" is not supported; llama is");
        }
        refuseUnless(config, "hidden_act", "silu");
        refuseUnless(config, "attention_bias", "false");
        refuseUnless(config, "mlp_bias", "false");
        JsonNode scaling = config.path("rope_scaling");
        JsonNode parameters = config.path("rope_parameters");
        if (present(scaling)) {
            throw new UnsupportedCheckpoint("rope_scaling is not supported");
        }
        if (present(parameters)
                && !parameters.path("rope_type").asString("default").equals("default")) {
            throw new UnsupportedCheckpoint(
                    "rope_parameters.rope_type must be default, not "
                            + parameters.path("rope_type").asString(""));
        }
        int hidden = positive(config, "hidden_size");
        int heads = positive(config, "num_attention_heads");
        int kvHeads =
                present(config.path("num_key_value_heads"))
                        ? positive(config, "num_key_value_heads")
                        : heads;
        int headDim =
                present(config.path("head_dim")) ? positive(config, "head_dim") : hidden / heads;
        if (heads % kvHeads != 0) {
            throw new UnsupportedCheckpoint(
                    "num_attention_heads "
                            + heads
                            + " is not a multiple of num_key_value_heads "
                            + kvHeads);
        }
        if (Integer.bitCount(headDim) != 1 || headDim < 32) {
            throw new UnsupportedCheckpoint(
                    "head_dim must be a power of two of at least 32, not " + headDim);
        }
        double theta =
                present(parameters)
                        ? parameters.path("rope_theta").asDouble(10_000)
                        : config.path("rope_theta").asDouble(10_000);
        return new ModelConfig(
                hidden,
                positive(config, "intermediate_size"),
                positive(config, "num_hidden_layers"),
                heads,
                kvHeads,
                headDim,
                positive(config, "vocab_size"),
                positive(config, "max_position_embeddings"),
                theta,
                (float) config.path("rms_norm_eps").asDouble(1e-6),
                config.path("tie_word_embeddings").asBoolean(false),
                config.path("bos_token_id").asInt(-1),
                ids(config.path("eos_token_id")));
    }

    private static Set<Integer> ids(JsonNode node) {
        if (node.isArray()) {
            return Set.copyOf(node.valueStream().map(JsonNode::asInt).toList());
        }
        return node.isInt() ? Set.of(node.asInt()) : Set.of();
    }

    private static boolean present(JsonNode node) {
        return !node.isMissingNode() && !node.isNull();
    }

    private static String text(JsonNode config, String field) {
        JsonNode node = config.path(field);
        if (!node.isString()) {
            throw new UnsupportedCheckpoint("config.json lacks " + field);
        }
        return node.asString();
    }

    private static int positive(JsonNode config, String field) {
        int value = config.path(field).asInt(0);
        if (value <= 0) {
            throw new UnsupportedCheckpoint("config.json: " + field + " must be a positive number");
        }
        return value;
    }

    private static void refuseUnless(JsonNode config, String field, String supported) {
        JsonNode node = config.path(field);
        if (present(node) && !node.asString("").equals(supported)) {
            throw new UnsupportedCheckpoint(
                    field + " " + node.asString("") + " is not supported; " + supported + " is");
        }
    }
}
