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
 * @param bosId begins every sequence; -1 if nothing does
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
     * From a {@code config.json}.
     *
     * @throws UnsupportedCheckpoint if a field is missing, out of range, or asks for mathematics
     *     that is not implemented; the message names it
     */
    public static ModelConfig parse(JsonNode config) {
        return HubConfig.parse(config);
    }

    /** As this, with what begins every sequence and with what ends a generation. */
    ModelConfig between(int bos, Set<Integer> ends) {
        return new ModelConfig(
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
                bos,
                ends,
                traits);
    }
}
