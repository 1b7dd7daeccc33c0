package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.kernels.Kernels;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Configurations as the hub has them, and one field at a time that changes the mathematics. */
class ModelConfigTest {
    private static final JsonMapper JSON = JsonMapper.shared();

    private static final String LLAMA =
            """
            {
              "architectures": ["LlamaForCausalLM"],
              "model_type": "llama",
              "hidden_size": 256,
              "intermediate_size": 512,
              "num_hidden_layers": 4,
              "num_attention_heads": 4,
              "num_key_value_heads": 2,
              "vocab_size": 1000,
              "max_position_embeddings": 2048,
              "rms_norm_eps": 1e-05,
              "rope_theta": 500000.0,
              "hidden_act": "silu",
              "bos_token_id": 1,
              "eos_token_id": [2, 3],
              "pretraining_tp": 1,
              "attention_bias": false,
              "mlp_bias": false,
              "tie_word_embeddings": false,
              "rope_scaling": null,
              "torch_dtype": "bfloat16",
              "transformers_version": "4.50.0",
              "use_cache": true,
              "unsloth_version": "2025.1"
            }
            """;

    private static ObjectNode llama() {
        return (ObjectNode) JSON.readTree(LLAMA);
    }

    private static ObjectNode of(String type) {
        String architecture = Character.toUpperCase(type.charAt(0)) + type.substring(1);
        ObjectNode config = llama().put("model_type", type);
        config.putArray("architectures").add(architecture + "ForCausalLM");
        return config;
    }

    private static JsonNode json(String text) {
        return JSON.readTree(text.replace('\'', '"'));
    }

    private static ModelConfig with(ObjectNode config, String field, String value) {
        config.set(field, json(value));
        return ModelConfig.parse(config);
    }

    @Test
    void readsPlainLlama() {
        assertThat(ModelConfig.parse(llama()))
                .isEqualTo(
                        new ModelConfig(
                                256,
                                512,
                                4,
                                4,
                                2,
                                64,
                                1000,
                                2048,
                                500_000,
                                1e-5f,
                                false,
                                1,
                                Set.of(2, 3)));
    }

    @Test
    void takesWhatTransformersTakesWhereAFieldIsAbsent() {
        ObjectNode config = llama();
        config.remove(
                List.of(
                        "num_key_value_heads",
                        "rms_norm_eps",
                        "rope_theta",
                        "eos_token_id",
                        "bos_token_id",
                        "hidden_act"));
        assertThat(ModelConfig.parse(config))
                .isEqualTo(
                        new ModelConfig(
                                256, 512, 4, 4, 4, 64, 1000, 2048, 10_000, 1e-6f, false, -1,
                                Set.of()));
        ObjectNode mixtral = of("mixtral");
        mixtral.remove(List.of("rms_norm_eps", "rope_theta"));
        ModelConfig read = ModelConfig.parse(mixtral);
        assertThat(read.normEpsilon()).isEqualTo(1e-5f);
        assertThat(read.ropeTheta()).isEqualTo(1e6);
        assertThat(read.traits().experts()).isEqualTo(8);
        assertThat(read.traits().expertsPerRow()).isEqualTo(2);
        ObjectNode qwen3 = of("qwen3");
        assertThat(ModelConfig.parse(qwen3).headDim()).isEqualTo(128);
        qwen3.putNull("head_dim");
        assertThat(ModelConfig.parse(qwen3).headDim()).isEqualTo(64);
        // Mistral's class has a window unless it is told that there is none
        assertThat(ModelConfig.parse(of("mistral").put("max_position_embeddings", 8192)).window(3))
                .isEqualTo(4096);
        assertThat(with(of("mistral"), "sliding_window", "null").window(3))
                .isEqualTo(Kernels.NO_WINDOW);
    }

    @Test
    void readsMistral() {
        ModelConfig config =
                ModelConfig.parse(of("mistral").put("head_dim", 128).put("sliding_window", 100));
        assertThat(config.headDim()).isEqualTo(128);
        assertThat(config.queryWidth()).isEqualTo(512);
        assertThat(config.traits().windows()).containsExactly(100, 100, 100, 100);
        // what no sequence is longer than is no window
        assertThat(with(of("mistral"), "sliding_window", "2048").traits().windows()).isEmpty();
    }

    @Test
    void readsQwen2() {
        ObjectNode qwen = of("qwen2").put("sliding_window", 64).put("max_window_layers", 3);
        ModelConfig config = ModelConfig.parse(qwen);
        assertThat(config.traits().biased())
                .containsExactlyInAnyOrder(Projection.Q, Projection.K, Projection.V);
        assertThat(config.traits().windows()).isEmpty();
        qwen.put("use_sliding_window", true);
        assertThat(ModelConfig.parse(qwen).traits().windows())
                .containsExactly(Kernels.NO_WINDOW, Kernels.NO_WINDOW, Kernels.NO_WINDOW, 64);
        qwen.set(
                "layer_types",
                json("['sliding_attention','full_attention','full_attention','full_attention']"));
        assertThat(ModelConfig.parse(qwen).traits().windows())
                .containsExactly(64, Kernels.NO_WINDOW, Kernels.NO_WINDOW, Kernels.NO_WINDOW);
        qwen.put("use_sliding_window", false);
        assertThatThrownBy(() -> ModelConfig.parse(qwen)).hasMessageContaining("layer_types");
    }

    @Test
    void readsQwen3AndMixtral() {
        ModelConfig qwen = with(of("qwen3"), "attention_bias", "true");
        assertThat(qwen.traits().headNorms()).isTrue();
        assertThat(qwen.traits().biased())
                .containsExactlyInAnyOrderElementsOf(Projection.ATTENTION);
        ObjectNode mixtral =
                of("mixtral").put("num_local_experts", 4).put("num_experts_per_tok", 3);
        ModelConfig config = ModelConfig.parse(mixtral.put("sliding_window", 32));
        assertThat(config.mixture()).isTrue();
        assertThat(config.traits().experts()).isEqualTo(4);
        assertThat(config.traits().expertsPerRow()).isEqualTo(3);
        assertThat(config.window(0)).isEqualTo(32);
        mixtral.put("num_experts_per_tok", 5);
        assertThatThrownBy(() -> ModelConfig.parse(mixtral))
                .hasMessage(
                        "config.json: num_experts_per_tok must be at most num_local_experts, 4,"
                                + " not 5");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "rope_scaling | {'type':'linear','factor':4.0}",
                "rope_scaling | {'rope_type':'linear','factor':4}",
                "rope_parameters | {'rope_type':'linear','factor':4.0,'rope_theta':500000}"
            })
    void readsLinearScalingInEverySpelling(String field, String value) {
        ModelConfig config = with(llama(), field, value);
        assertThat(config.traits().ropeScaling()).isEqualTo(new RopeScaling.Linear(4));
        assertThat(config.ropeTheta()).isEqualTo(500_000);
        assertThat(config.contextLength()).isEqualTo(2048);
    }

    @Test
    void readsTheOtherScalings() {
        String llama3 =
                "{'rope_type':'llama3','factor':8.0,'low_freq_factor':1.0,'high_freq_factor':4.0,"
                        + "'original_max_position_embeddings':512}";
        assertThat(with(llama(), "rope_scaling", llama3).traits().ropeScaling())
                .isEqualTo(new RopeScaling.Llama3(8, 1, 4, 512));
        ModelConfig dynamic = with(llama(), "rope_scaling", "{'type':'dynamic','factor':2.5}");
        assertThat(dynamic.traits().ropeScaling()).isEqualTo(new RopeScaling.Dynamic(2.5, 2048));
        assertThat(dynamic.contextLength()).isEqualTo(5120);
        ObjectNode newer = llama();
        newer.remove("rope_theta");
        ModelConfig plain = with(newer, "rope_parameters", "{'rope_theta':1000.0}");
        assertThat(plain.traits().ropeScaling()).isEqualTo(RopeScaling.NONE);
        assertThat(plain.ropeTheta()).isEqualTo(1000);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'type':'yarn','factor':4.0}                                    | rope_scaling.type",
                "{'rope_type':'longrope','short_factor':[1],'long_factor':[1]}   | rope_type",
                "{'type':'mrope','mrope_section':[16,24,24]}                     | rope_scaling.type",
                "{'type':'linear'}                                               | rope_scaling.factor",
                "{'type':'linear','factor':0.5}                                  | rope_scaling.factor",
                "{'type':'linear','factor':'4'}                                  | rope_scaling.factor",
                "{'type':'linear','factor':4,'attention_factor':1.2}             | attention_factor",
                "{'type':'linear','rope_type':'dynamic','factor':4}              | rope_scaling.type",
                "{'type':'dynamic','factor':2,'original_max_position_embeddings':1024} | original_max_position_embeddings",
                "{'rope_type':'llama3','factor':8,'low_freq_factor':1}           | high_freq_factor",
                "{'rope_type':'llama3','factor':8,'low_freq_factor':4,'high_freq_factor':4,'original_max_position_embeddings':64} | high_freq_factor",
                "{'rope_type':'llama3','factor':8,'low_freq_factor':1,'high_freq_factor':4} | original_max_position_embeddings",
                "{'rope_type':'default','partial_rotary_factor':0.5}             | partial_rotary_factor",
                "{'rope_theta':10000}                                            | rope_theta",
                "'linear'                                                        | rope_scaling",
                "{'full_attention':{'rope_theta':1.0}}                           | full_attention"
            })
    void refusesOtherRopesByName(String scaling, String field) {
        assertThatThrownBy(() -> with(llama(), "rope_scaling", scaling))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageStartingWith("config.json: ")
                .hasMessageContaining(field);
    }

    @Test
    void refusesTwoRopesThatDisagree() {
        ObjectNode config = llama();
        config.set("rope_parameters", json("{'rope_type':'default'}"));
        assertThatThrownBy(() -> with(config, "rope_scaling", "{'type':'linear','factor':2}"))
                .hasMessageContaining("rope_parameters says otherwise");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "hidden_act              | 'gelu'",
                "hidden_activation       | 'gelu_pytorch_tanh'",
                "mlp_bias                | true",
                "bias                    | true",
                "pretraining_tp          | 2",
                "partial_rotary_factor   | 0.5",
                "rotary_pct              | 0.25",
                "attention_multiplier    | 0.015625",
                "embedding_multiplier    | 12.0",
                "residual_multiplier     | 0.22",
                "logits_scaling          | 8.0",
                "logit_scale             | 0.0625",
                "scale_emb               | 12",
                "final_logit_softcapping | 30.0",
                "attn_logit_softcapping  | 50.0",
                "query_pre_attn_scalar   | 256",
                "clip_qkv                | 8.0",
                "quantization_config     | {'quant_method':'gptq','bits':4}",
                "compression_config      | {'format':'int'}",
                "qk_layernorm            | true",
                "use_qk_norm             | true",
                "no_rope_layers          | [1,1,1,0]",
                "attention_chunk_size    | 8192",
                "num_local_experts       | 8",
                "n_routed_experts        | 64",
                "kv_lora_rank            | 512",
                "sliding_window          | 512",
                "layer_types             | ['full_attention','sliding_attention','full_attention','full_attention']",
                "layer_types             | ['full_attention','linear_attention','full_attention','full_attention']",
                "layer_types             | ['full_attention']",
                "position_embedding_type | 'alibi'",
                "norm_type               | 'layernorm'",
                "dual_chunk_attention_config | {'chunk_size':262144}",
                "vision_config           | {'hidden_size':1}",
                "is_encoder_decoder      | true",
                "auto_map                | {'AutoModelForCausalLM':'modeling_x.X'}",
                "architectures           | ['LlamaForSequenceClassification']",
                "model_type              | 'gemma2'",
                "model_type              | null",
                "num_attention_heads     | 3",
                "num_key_value_heads     | 3",
                "num_key_value_heads     | 0",
                "head_dim                | 96",
                "head_dim                | 16",
                "hidden_size             | '256'",
                "hidden_size             | -256",
                "vocab_size              | 1.5",
                "max_position_embeddings | null",
                "rms_norm_eps            | '1e-5'",
                "rms_norm_eps            | 0",
                "tie_word_embeddings     | 'yes'",
                "attention_bias          | 'false'",
                "bos_token_id            | 1000",
                "bos_token_id            | [1]",
                "eos_token_id            | ['x']",
                "rope_theta              | 'big'"
            })
    void refusesByName(String field, String value) {
        assertThatThrownBy(() -> with(llama(), field, value))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageStartingWith("config.json: ")
                .hasMessageContaining(field);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "mistral | attention_bias      | true",
                "mixtral | attention_bias      | true",
                "mistral | num_local_experts   | 8",
                "mistral | use_sliding_window  | false",
                "qwen2   | num_experts         | 60",
                "qwen2   | use_mrope           | true",
                "qwen3   | moe_intermediate_size | 768",
                "mixtral | num_experts_per_tok | 0",
                "qwen2   | max_window_layers   | -1"
            })
    void refusesByNameInOtherFamilies(String type, String field, String value) {
        ObjectNode config = of(type).put("sliding_window", 64);
        config.put("use_sliding_window", !type.startsWith("mi"));
        if (type.startsWith("mi")) {
            config.remove("use_sliding_window");
        }
        ModelConfig.parse(config);
        assertThatThrownBy(() -> with(config, field, value))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageContaining(field);
    }

    /** What derivatives say without meaning anything by it. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "hidden_act            | 'swish'",
                "quantization_config   | null",
                "quantization_config   | {}",
                "clip_qkv              | null",
                "logits_scaling        | 1.0",
                "partial_rotary_factor | 1.0",
                "num_local_experts     | 0",
                "sliding_window        | null",
                "layer_types           | ['full_attention','full_attention','full_attention','full_attention']",
                "auto_map              | {'AutoTokenizer':'tokenization_x.X'}",
                "rope_scaling          | {'rope_type':'default'}",
                "something_new         | {'a':1}"
            })
    void acceptsWhatChangesNothing(String field, String value) {
        assertThat(with(llama(), field, value)).isEqualTo(ModelConfig.parse(llama()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"[]", "3", "null"})
    void refusesWhatIsNoObject(String json) {
        assertThatThrownBy(() -> ModelConfig.parse(JSON.readTree(json)))
                .hasMessage("config.json is not a JSON object");
    }

    @Test
    void namesTheArchitecturesThereAre() {
        assertThatThrownBy(() -> ModelConfig.parse(of("phi3")))
                .hasMessage(
                        "config.json: model_type \"phi3\" is not supported; llama, mistral, mixtral,"
                                + " qwen2, qwen3 are");
    }
}
