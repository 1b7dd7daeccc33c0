package dev.aril.engine.model;

import dev.aril.engine.kernels.Rope;

/** A model's rotary table. */
final class Ropes {
    private Ropes() {}

    static Rope of(ModelConfig config) {
        return Rope.of(config.contextLength(), config.headDim(), config.ropeTheta());
    }
}
