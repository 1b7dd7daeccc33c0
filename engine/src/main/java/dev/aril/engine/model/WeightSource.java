package dev.aril.engine.model;

import dev.aril.engine.kernels.LinearWeights;

/** A model's weights, layer by layer, so that no more than a layer need be in memory twice. */
public interface WeightSource {
    ModelConfig config();

    Recipe recipe();

    /** [vocabulary, hidden] bf16. */
    short[] embedding();

    /** [vocabulary, hidden]. */
    LinearWeights.Bf16 head();

    /** [hidden]. */
    float[] finalNorm();

    LayerWeights layer(int index);
}
