package dev.aril.engine.model;

import dev.aril.engine.kernels.LinearWeights;
import java.util.function.Consumer;

/** A model's weights, layer by layer, so that no more than a layer need be in memory twice. */
public interface WeightSource {
    ModelConfig config();

    Recipe recipe();

    /** [vocabulary, hidden] bf16. */
    short[] embedding();

    /** [vocabulary, hidden]. */
    LinearWeights.Bf16 head();

    /** The embedding in consecutive pieces, so that a large one need not be on the heap at once. */
    default void embedding(Consumer<short[]> pieces) {
        pieces.accept(embedding());
    }

    /** The head in consecutive pieces. */
    default void head(Consumer<short[]> pieces) {
        pieces.accept(head().bits());
    }

    /** [hidden]. */
    float[] finalNorm();

    LayerWeights layer(int index);
}
