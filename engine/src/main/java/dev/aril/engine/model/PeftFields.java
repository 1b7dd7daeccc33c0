package dev.aril.engine.model;

import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterRejected.Part;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The fields of an {@code adapter_config.json}: each is honoured, harmless, or refused by its name.
 * PEFT itself drops unknown fields with a warning; here they are refused unless they say nothing.
 */
final class PeftFields {
    static final int MAX_BYTES = 64 << 10;

    private static final Set<String> HONOURED =
            Set.of(
                    "peft_type",
                    "task_type",
                    "r",
                    "lora_alpha",
                    "use_rslora",
                    "target_modules",
                    "exclude_modules",
                    "layers_to_transform",
                    "layers_pattern",
                    "rank_pattern",
                    "alpha_pattern",
                    "bias",
                    "init_lora_weights");

    /** They concern training or bookkeeping, and change nothing of what the adapter computes. */
    private static final Set<String> HARMLESS =
            Set.of(
                    "auto_mapping",
                    "base_model_name_or_path",
                    "corda_config",
                    "ensure_weight_tying",
                    "eva_config",
                    "inference_mode",
                    "loftq_config",
                    "lora_dropout",
                    "lora_ga_config",
                    "megatron_core",
                    "peft_version",
                    "qalora_group_size",
                    "revision");

    /** Each changes the computation in a way that is not implemented. */
    private static final Map<String, String> REFUSED =
            Map.ofEntries(
                    Map.entry("alora_invocation_tokens", "activated LoRA"),
                    Map.entry("arrow_config", "Arrow routing"),
                    Map.entry("fan_in_fan_out", "transposed weights"),
                    Map.entry("kasa_config", "KaSA"),
                    Map.entry("layer_replication", "layer replication"),
                    Map.entry("lora_bias", "a bias beside lora_B"),
                    Map.entry("megatron_config", "Megatron's parallel layers"),
                    Map.entry("modules_to_save", "fully trained modules"),
                    Map.entry("monteclora_config", "MonteCLoRA"),
                    Map.entry("target_parameters", "LoRA on bare parameters"),
                    Map.entry("trainable_token_indices", "trained token embeddings"),
                    Map.entry("use_bdlora", "block-diagonal LoRA"),
                    Map.entry("use_dora", "DoRA"),
                    Map.entry("use_qalora", "QALoRA"),
                    Map.entry("velora_config", "VeLoRA"));

    /** Initialisations, beside true and false, that leave the base model as it is. */
    private static final Set<String> INITIALISATIONS = Set.of("gaussian", "eva", "orthogonal");

    private static final JsonMapper JSON =
            JsonMapper.builder(
                            JsonFactory.builder()
                                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxNestingDepth(8)
                                                    .maxNumberLength(64)
                                                    .build())
                                    .build())
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    private final JsonNode root;

    private PeftFields(JsonNode root) {
        this.root = root;
    }

    static PeftFields parse(byte[] file) throws AdapterRejected {
        if (file.length > MAX_BYTES) {
            throw rejected("it has " + file.length + " bytes; at most " + MAX_BYTES + " are read");
        }
        JsonNode root;
        try {
            String text =
                    StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(file)).toString();
            root = JSON.readTree(text);
        } catch (CharacterCodingException e) {
            throw rejected("it is not UTF-8 text; upload PEFT's adapter_config.json unchanged");
        } catch (JacksonException e) {
            throw rejected("it is not valid JSON: " + Printable.of(e.getOriginalMessage()));
        }
        if (!root.isObject()) {
            throw rejected("it is not a JSON object; upload PEFT's adapter_config.json");
        }
        PeftFields fields = new PeftFields(root);
        fields.refuseWhatIsNotServed();
        return fields;
    }

    private void refuseWhatIsNotServed() throws AdapterRejected {
        String type = string("peft_type").orElse("");
        if (!type.equals("LORA")) {
            throw rejected("peft_type must be LORA, not \"" + Printable.of(type) + "\"");
        }
        String task = string("task_type").orElse("CAUSAL_LM");
        if (!task.equals("CAUSAL_LM")) {
            throw rejected("task_type must be CAUSAL_LM, not \"" + Printable.of(task) + "\"");
        }
        String bias = string("bias").orElse("none");
        if (!bias.equals("none")) {
            throw rejected(
                    "bias must be \"none\", not \""
                            + Printable.of(bias)
                            + "\": train the adapter without biases");
        }
        JsonNode init = root.path("init_lora_weights");
        boolean leavesTheBase =
                init.isBoolean() || init.isString() && INITIALISATIONS.contains(init.asString());
        if (has("init_lora_weights") && !leavesTheBase) {
            throw rejected(
                    "init_lora_weights \""
                            + Printable.of(init.isString() ? init.asString() : init.toString())
                            + "\" presumes a changed base model: convert the adapter with"
                            + " save_pretrained(path_initial_model_for_weight_conversion=...)");
        }
        for (Map.Entry<String, JsonNode> field : root.properties()) {
            String name = field.getKey();
            if (HONOURED.contains(name)
                    || HARMLESS.contains(name)
                    || saysNothing(field.getValue())) {
                continue;
            }
            String what = REFUSED.get(name);
            throw rejected(
                    what == null
                            ? Printable.of(name)
                                    + " is not a field known here: remove it, or set it to null if"
                                    + " the adapter does not use it"
                            : name + " asks for " + what + ", which is not served");
        }
    }

    private static boolean saysNothing(JsonNode value) {
        return value.isNull()
                || value.isBoolean() && !value.asBoolean()
                || (value.isObject() || value.isArray()) && value.isEmpty()
                || value.isString() && value.asString().isEmpty();
    }

    boolean has(String field) {
        return root.has(field) && !root.path(field).isNull();
    }

    Optional<String> string(String field) throws AdapterRejected {
        if (!has(field)) {
            return Optional.empty();
        }
        if (!isString(field)) {
            throw rejected(field + " must be a string");
        }
        return Optional.of(root.path(field).asString());
    }

    boolean isString(String field) {
        return root.path(field).isString();
    }

    boolean flag(String field) throws AdapterRejected {
        if (!has(field)) {
            return false;
        }
        if (!root.path(field).isBoolean()) {
            throw rejected(field + " must be true or false");
        }
        return root.path(field).asBoolean();
    }

    OptionalInt whole(String field) throws AdapterRejected {
        return has(field) ? OptionalInt.of(whole(field, root.path(field))) : OptionalInt.empty();
    }

    OptionalDouble number(String field) throws AdapterRejected {
        return has(field)
                ? OptionalDouble.of(number(field, root.path(field)))
                : OptionalDouble.empty();
    }

    /** A list of strings; empty when absent. */
    List<String> strings(String field) throws AdapterRejected {
        List<String> out = new ArrayList<>();
        if (has(field)) {
            for (JsonNode node : array(field)) {
                if (!node.isString()) {
                    throw rejected(field + " must be a list of strings");
                }
                out.add(node.asString());
            }
        }
        return out;
    }

    /** A list of whole numbers, or one alone; empty when absent. */
    List<Integer> wholes(String field) throws AdapterRejected {
        List<Integer> out = new ArrayList<>();
        if (root.path(field).isIntegralNumber()) {
            out.add(whole(field, root.path(field)));
        } else if (has(field)) {
            for (JsonNode node : array(field)) {
                out.add(whole(field, node));
            }
        }
        return out;
    }

    /** An object of numbers in its own order; empty when absent. */
    List<Map.Entry<String, Double>> numbers(String field) throws AdapterRejected {
        List<Map.Entry<String, Double>> out = new ArrayList<>();
        if (has(field)) {
            if (!root.path(field).isObject()) {
                throw rejected(field + " must be an object of numbers");
            }
            for (Map.Entry<String, JsonNode> e : root.path(field).properties()) {
                out.add(Map.entry(e.getKey(), number(field, e.getValue())));
            }
        }
        return out;
    }

    private JsonNode array(String field) throws AdapterRejected {
        if (!root.path(field).isArray()) {
            throw rejected(field + " must be a list");
        }
        return root.path(field);
    }

    private static int whole(String field, JsonNode node) throws AdapterRejected {
        if (!node.isIntegralNumber() || !node.canConvertToInt()) {
            throw rejected(field + " must be a whole number");
        }
        return node.asInt();
    }

    private static double number(String field, JsonNode node) throws AdapterRejected {
        if (!node.isNumber() || !Double.isFinite(node.asDouble())) {
            throw rejected(field + " must be a finite number");
        }
        return node.asDouble();
    }

    static AdapterRejected rejected(String message) {
        return new AdapterRejected(Part.CONFIG, "adapter_config: " + message);
    }
}
