package dev.aril.engine.model;

import dev.aril.engine.UnsupportedCheckpoint;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.LongStream;

/** What a checkpoint's tensors are called and how large they are, by its configuration. */
public final class CheckpointTensors {
    public static final String EMBEDDING = "model.embed_tokens.weight";
    public static final String HEAD = "lm_head.weight";
    public static final String FINAL_NORM = "model.norm.weight";

    /**
     * Rotary frequencies, which older versions of transformers stored though they follow from the
     * configuration.
     */
    private static final Pattern HARMLESS =
            Pattern.compile("model\\.(.+\\.)?rotary_emb\\.inv_freq");

    private final ModelConfig config;
    private final Shards shards;
    private final Set<String> known = new HashSet<>();

    private CheckpointTensors(ModelConfig config, Shards shards) {
        this.config = config;
        this.shards = shards;
    }

    public static String attentionNorm(int layer) {
        return "model.layers." + layer + ".input_layernorm.weight";
    }

    public static String mlpNorm(int layer) {
        return "model.layers." + layer + ".post_attention_layernorm.weight";
    }

    static String queryNorm(int layer) {
        return "model.layers." + layer + ".self_attn.q_norm.weight";
    }

    static String keyNorm(int layer) {
        return "model.layers." + layer + ".self_attn.k_norm.weight";
    }

    static String router(int layer) {
        return "model.layers." + layer + ".block_sparse_moe.gate.weight";
    }

    /**
     * @param projection GATE, UP or DOWN
     */
    static String expert(int layer, int expert, Projection projection) {
        String matrix =
                switch (projection) {
                    case GATE -> "w1";
                    case DOWN -> "w2";
                    case UP -> "w3";
                    default -> throw new IllegalArgumentException("an expert has no " + projection);
                };
        return "model.layers."
                + layer
                + ".block_sparse_moe.experts."
                + expert
                + "."
                + matrix
                + ".weight";
    }

    /**
     * @throws UnsupportedCheckpoint naming the tensor that is missing, has another shape than the
     *     configuration asks for, or would be left out of what is computed
     */
    static void check(ModelConfig config, Shards shards) {
        CheckpointTensors tensors = new CheckpointTensors(config, shards);
        tensors.checkAll();
        tensors.refuseOthers();
    }

    private void checkAll() {
        long hidden = config.hidden();
        shape(EMBEDDING, config.vocabulary(), hidden);
        shape(FINAL_NORM, hidden);
        if (!config.tiedEmbeddings()) {
            shape(HEAD, config.vocabulary(), hidden);
        }
        for (int l = 0; l < config.layers(); l++) {
            shape(attentionNorm(l), hidden);
            shape(mlpNorm(l), hidden);
            for (Projection p : config.projections()) {
                shape(p.path(l) + ".weight", p.out(config), p.in(config));
                if (config.traits().biased().contains(p)) {
                    shape(p.path(l) + ".bias", p.out(config));
                }
            }
            if (config.traits().headNorms()) {
                shape(queryNorm(l), config.headDim());
                shape(keyNorm(l), config.headDim());
            }
            if (config.mixture()) {
                shape(router(l), config.traits().experts(), hidden);
                for (int e = 0; e < config.traits().experts(); e++) {
                    for (Projection p : Projection.MLP) {
                        shape(expert(l, e, p), p.out(config), p.in(config));
                    }
                }
            }
        }
    }

    private void shape(String name, long... shape) {
        known.add(name);
        List<Long> expected = LongStream.of(shape).boxed().toList();
        List<Long> actual = shards.holding(name).entry(name).shape();
        if (!actual.equals(expected)) {
            throw new UnsupportedCheckpoint(
                    "tensor "
                            + name
                            + " has shape "
                            + actual
                            + ", config.json asks for "
                            + expected);
        }
    }

    private void refuseOthers() {
        for (String name : shards.names()) {
            boolean tiedHead = config.tiedEmbeddings() && name.equals(HEAD);
            if (!known.contains(name) && !tiedHead && !HARMLESS.matcher(name).matches()) {
                throw new UnsupportedCheckpoint(
                        "tensor "
                                + name
                                + " has no place in the model that config.json describes; what it"
                                + " computes would be left out");
            }
        }
    }
}
