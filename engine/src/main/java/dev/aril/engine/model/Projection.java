package dev.aril.engine.model;

import java.util.List;

/** The seven linear maps of a Llama decoder layer, in the order they are computed. */
public enum Projection {
    Q("self_attn", "q_proj"),
    K("self_attn", "k_proj"),
    V("self_attn", "v_proj"),
    O("self_attn", "o_proj"),
    GATE("mlp", "gate_proj"),
    UP("mlp", "up_proj"),
    DOWN("mlp", "down_proj");

    /** In their order. */
    public static final List<Projection> ALL = List.of(values());

    /** Those of a layer whose MLP is a mixture of experts. */
    public static final List<Projection> ATTENTION = List.of(Q, K, V, O);

    /** The MLP's, which each expert has too. */
    public static final List<Projection> MLP = List.of(GATE, UP, DOWN);

    private final String block;
    private final String moduleName;

    Projection(String block, String moduleName) {
        this.block = block;
        this.moduleName = moduleName;
    }

    /** Its name in a checkpoint and in an adapter's {@code target_modules}, such as q_proj. */
    public String moduleName() {
        return moduleName;
    }

    /** Its full name in a checkpoint, such as {@code model.layers.3.self_attn.q_proj}. */
    public String path(int layer) {
        return "model.layers." + layer + "." + block + "." + moduleName;
    }

    /** Input width. */
    public int in(ModelConfig config) {
        return switch (this) {
            case Q, K, V, GATE, UP -> config.hidden();
            case O -> config.queryWidth();
            case DOWN -> config.intermediate();
        };
    }

    /** Output width. */
    public int out(ModelConfig config) {
        return switch (this) {
            case Q -> config.queryWidth();
            case K, V -> config.kvWidth();
            case O, DOWN -> config.hidden();
            case GATE, UP -> config.intermediate();
        };
    }
}
