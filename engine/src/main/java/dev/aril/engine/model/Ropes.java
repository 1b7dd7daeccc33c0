package dev.aril.engine.model;

import dev.aril.engine.kernels.Rope;

/** A model's rotary table, stretched as its configuration says. */
final class Ropes {
    private Ropes() {}

    /**
     * @param positions of the table
     */
    static Rope of(ModelConfig config, int positions) {
        int headDim = config.headDim();
        double theta = config.ropeTheta();
        float[] plain = Rope.frequencies(headDim, theta);
        return switch (config.traits().ropeScaling()) {
            case RopeScaling.None n -> Rope.of(positions, headDim, p -> plain);
            case RopeScaling.Linear linear -> {
                float[] divided = divided(plain, linear);
                yield Rope.of(positions, headDim, p -> divided);
            }
            case RopeScaling.Llama3 llama3 -> {
                float[] mixed = mixed(plain, llama3);
                yield Rope.of(positions, headDim, p -> mixed);
            }
            // a key keeps the frequencies of its own position, as when ids are generated one by
            // one: so a row's result depends on nothing that comes after it
            case RopeScaling.Dynamic dynamic ->
                    Rope.of(
                            positions,
                            headDim,
                            p ->
                                    p < dynamic.originalContext()
                                            ? plain
                                            : Rope.frequencies(
                                                    headDim, base(dynamic, theta, headDim, p + 1)));
        };
    }

    private static float[] divided(float[] plain, RopeScaling.Linear linear) {
        float[] out = plain.clone();
        for (int i = 0; i < out.length; i++) {
            out[i] /= (float) linear.factor();
        }
        return out;
    }

    private static float[] mixed(float[] plain, RopeScaling.Llama3 scaling) {
        float[] out = plain.clone();
        for (int i = 0; i < out.length; i++) {
            double turns = scaling.originalContext() * (double) plain[i] / (2 * Math.PI);
            // 0 where the wavelength is long, 1 where it is short
            double kept = (turns - scaling.low()) / (scaling.high() - scaling.low());
            double share = Math.clamp(kept, 0, 1);
            out[i] = (float) ((1 - share) * plain[i] / scaling.factor() + share * plain[i]);
        }
        return out;
    }

    /** NTK-aware: the lowest frequency is stretched by the length's growth, the highest is kept. */
    private static double base(RopeScaling.Dynamic scaling, double theta, int headDim, int length) {
        double growth =
                scaling.factor() * length / scaling.originalContext() - (scaling.factor() - 1);
        return theta * Math.pow(growth, headDim / (headDim - 2.0));
    }
}
