package dev.aril.engine.model;

import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * Fields by which derivatives of the family change the mathematics, and which are not implemented.
 * They are refused unless their value changes nothing.
 */
final class ForeignFields {
    private ForeignFields() {}

    /** Change nothing where they are absent, null, false, 0 or empty. */
    private static final Set<String> OFF =
            Set.of(
                    // how the weights are held
                    "quantization_config",
                    "compression_config",
                    "quantization",
                    "pruned_heads",
                    "q_lora_rank",
                    "kv_lora_rank",
                    // attention
                    "clip_qkv",
                    "attention_multiplier",
                    "query_pre_attn_scalar",
                    "attn_logit_softcapping",
                    "attention_chunk_size",
                    "attn_temperature_tuning",
                    "attention_sinks",
                    "use_attention_sinks",
                    "dual_chunk_attention_config",
                    "sliding_window_pattern",
                    "qk_norm",
                    "use_qk_norm",
                    "qk_layernorm",
                    "use_qk_layernorm",
                    "add_cross_attention",
                    "num_kv_shared_layers",
                    "alibi",
                    "use_alibi",
                    // positions
                    "no_rope_layers",
                    "no_rope_layer_interval",
                    "rotary_dim",
                    "rope_interleaved",
                    "rope_local_base_freq",
                    "local_rope_theta",
                    "use_mrope",
                    "mrope_section",
                    // biases and blocks
                    "bias",
                    "use_bias",
                    "mlp_bias",
                    "lm_head_bias",
                    "parallel_attn",
                    "parallel_residual",
                    "use_parallel_residual",
                    "is_encoder_decoder",
                    // mixtures of other kinds
                    "num_experts",
                    "n_routed_experts",
                    "n_shared_experts",
                    "moe_intermediate_size",
                    "shared_expert_intermediate_size",
                    "first_k_dense_replace",
                    "num_nextn_predict_layers",
                    // output
                    "final_logit_softcapping",
                    // more than text
                    "text_config",
                    "vision_config",
                    "audio_config");

    /** Change nothing where they are absent, null or 1. */
    private static final Set<String> ONE =
            Set.of(
                    "pretraining_tp",
                    "partial_rotary_factor",
                    "rotary_pct",
                    "rope_percent",
                    "embedding_multiplier",
                    "residual_multiplier",
                    "logits_scaling",
                    "logit_scale",
                    "logits_scale",
                    "lm_head_multiplier",
                    "output_multiplier_scale",
                    "scale_emb",
                    "scale_depth",
                    "mup_width_scale");

    private static final Set<String> ACTIVATIONS = Set.of("silu", "swish");
    private static final Set<String> POSITIONS = Set.of("rope", "rotary");
    private static final Set<String> NORMS = Set.of("rmsnorm", "rms_norm");

    static void refuse(ConfigFields config, boolean mixture) {
        for (String name : OFF) {
            if (!off(config.object().path(name))) {
                throw config.unsupported(name, "nothing that it stands for is computed here");
            }
        }
        for (String name : ONE) {
            JsonNode node = config.object().path(name);
            if (config.has(name) && !(node.isNumber() && node.asDouble() == 1)) {
                throw config.unsupported(name, "1 is");
            }
        }
        if (!mixture && !off(config.object().path("num_local_experts"))) {
            throw config.unsupported("num_local_experts", "only mixtral has experts");
        }
        oneOf(config, "hidden_act", ACTIVATIONS, "silu is");
        oneOf(config, "hidden_activation", ACTIVATIONS, "silu is");
        oneOf(config, "position_embedding_type", POSITIONS, "rope is");
        oneOf(config, "norm_type", NORMS, "rmsnorm is");
        for (String name : config.object().path("auto_map").propertyNames()) {
            if (name.startsWith("AutoModel")) {
                throw config.unsupported("auto_map", "a checkpoint's own code is not run");
            }
        }
    }

    private static boolean off(JsonNode node) {
        return node.isMissingNode()
                || node.isNull()
                || node.isBoolean() && !node.asBoolean()
                || node.isNumber() && node.asDouble() == 0
                || node.isContainer() && node.isEmpty()
                || node.isString() && node.asString().isEmpty();
    }

    private static void oneOf(
            ConfigFields config, String name, Set<String> neutral, String remedy) {
        if (config.has(name) && !neutral.contains(config.object().path(name).asString(""))) {
            throw config.unsupported(name, remedy);
        }
    }
}
