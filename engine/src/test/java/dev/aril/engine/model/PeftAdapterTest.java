package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.AdapterSummary;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class PeftAdapterTest {
    private static final Path MODELS = Path.of("../models/novella-11m");
    private static final JsonMapper JSON = new JsonMapper();

    @TempDir Path folder;

    private static ModelConfig novella() {
        return ModelConfig.parse(JSON.readTree(MODELS.resolve("config.json").toFile()));
    }

    /**
     * The digests were computed by a Python script from the documented canonical form, apart from
     * this code.
     */
    @ParameterizedTest
    @CsvSource({
        "sherlock, 32, 1302528, c0f5a2fd14500e9acd245046d308cf3f8edc81bcbdde0fb0ea85909bf02a9ab3",
        "shakespeare, 16, 651264, 6b6d5cdac4988a2e04c3d8e2de7e00402622891c49db3f0341c601a68843611c",
        "sql, 16, 651264, a8a82f59d805823167561eabaf93ca902e7d5b20917cfb02ad97aed6e0166b3a"
    })
    void summarizesRealAdapters(String name, int rank, long parameters, String digest)
            throws Exception {
        try (PeftAdapter adapter =
                PeftAdapter.read(MODELS.resolve("adapters").resolve(name), novella())) {
            assertThat(adapter.summary())
                    .isEqualTo(
                            new AdapterSummary(
                                    digest,
                                    rank,
                                    List.of(
                                            "down_proj",
                                            "gate_proj",
                                            "k_proj",
                                            "o_proj",
                                            "q_proj",
                                            "up_proj",
                                            "v_proj"),
                                    parameters));
        }
    }

    /** BF16 at 64 / 32, F16 with rsLoRA at 16 / sqrt(16), F32 at 32 / 16. */
    @ParameterizedTest
    @CsvSource({"sherlock, 32, 2", "shakespeare, 16, 4", "sql, 16, 2"})
    void widensRealAdaptersExactly(String name, int rank, float scaling) throws Exception {
        ModelConfig config = novella();
        Path files = MODELS.resolve("adapters").resolve(name);
        Map<String, float[]> expected = plainly(files.resolve("adapter_model.safetensors"));
        try (PeftAdapter adapter = PeftAdapter.read(files, config)) {
            for (int layer = 0; layer < config.layers(); layer++) {
                for (Projection p : Projection.values()) {
                    LoraPair pair = adapter.pair(layer, p).orElseThrow();
                    assertThat(pair.rank()).isEqualTo(rank);
                    assertThat(pair.scaling()).isEqualTo(scaling);
                    String module = "base_model.model." + p.path(layer);
                    assertThat(pair.a())
                            .hasSize(rank * p.in(config))
                            .isEqualTo(expected.remove(module + ".lora_A.weight"));
                    assertThat(pair.b())
                            .hasSize(rank * p.out(config))
                            .isEqualTo(expected.remove(module + ".lora_B.weight"));
                }
            }
        }
        assertThat(expected).isEmpty();
    }

    /** Another reader, by the definitions of the number formats. */
    private static Map<String, float[]> plainly(Path file) throws IOException {
        ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) all.getLong(0);
        JsonNode header = JSON.readTree(new String(all.array(), 8, length, StandardCharsets.UTF_8));
        Map<String, float[]> out = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> e : header.properties()) {
            if (e.getKey().equals("__metadata__")) {
                continue;
            }
            int begin = 8 + length + e.getValue().path("data_offsets").path(0).asInt();
            int end = 8 + length + e.getValue().path("data_offsets").path(1).asInt();
            String type = e.getValue().path("dtype").asString();
            int width = type.equals("F32") ? 4 : 2;
            float[] values = new float[(end - begin) / width];
            for (int i = 0; i < values.length; i++) {
                int at = begin + i * width;
                values[i] =
                        switch (type) {
                            case "F32" -> all.getFloat(at);
                            case "BF16" ->
                                    ByteBuffer.allocate(4)
                                            .putShort(all.getShort(at))
                                            .putShort((short) 0)
                                            .flip()
                                            .getFloat();
                            default -> half(all.getShort(at));
                        };
            }
            out.put(e.getKey(), values);
        }
        return out;
    }

    private static float half(short bits) {
        int exponent = (bits >> 10) & 31;
        double fraction = (bits & 1023) / 1024.0;
        double size =
                exponent == 0 ? Math.scalb(fraction, -14) : Math.scalb(1 + fraction, exponent - 15);
        return (float) (bits < 0 ? -size : size);
    }

    private PeftAdapter read(AdapterFixture fixture) throws Exception {
        return PeftAdapter.read(fixture.writeTo(folder), AdapterFixture.MODEL);
    }

    private String digest(Consumer<AdapterFixture> change) throws Exception {
        AdapterFixture fixture = new AdapterFixture();
        change.accept(fixture);
        try (PeftAdapter adapter = read(fixture)) {
            return adapter.digest();
        }
    }

    @Test
    void leavesOtherModulesAlone() throws Exception {
        try (PeftAdapter adapter = read(new AdapterFixture())) {
            assertThat(adapter.pair(1, Projection.Q)).isPresent();
            assertThat(adapter.pair(1, Projection.K)).isEmpty();
            assertThat(adapter.summary().targets()).containsExactly("down_proj", "q_proj");
            assertThat(adapter.summary().parameters())
                    .isEqualTo(2 * (4 * 96 + 128 * 4 + 4 * 160 + 96 * 4));
        }
    }

    @Test
    void theDigestIsOfTheMathematicsNotOfTheFiles() throws Exception {
        String digest = digest(_ -> {});
        assertThat(digest(f -> f.config.put("lora_dropout", "0.5"))).isEqualTo(digest);
        assertThat(digest(f -> f.config.put("base_model_name_or_path", "\"x\""))).isEqualTo(digest);
        assertThat(digest(f -> f.config.put("target_modules", "\".*(q|down)_proj\"")))
                .isEqualTo(digest);
        assertThat(
                        digest(f -> {
                            f.config.put("lora_alpha", "4");
                            f.config.put("use_rslora", "true");
                        }))
                .isEqualTo(digest);
        assertThat(digest(f -> f.metadata = "{}")).isEqualTo(digest);
        assertThat(
                        digest(f -> {
                            List<String> names = new ArrayList<>(f.tensors.keySet());
                            Collections.reverse(names);
                            names.forEach(n -> f.rename(n, n));
                        }))
                .isEqualTo(digest);
        assertThat(
                        digest(f ->
                                List.copyOf(f.tensors.keySet())
                                        .forEach(n ->
                                                f.rename(
                                                        n,
                                                        n.substring(17)
                                                                .replace(
                                                                        ".weight",
                                                                        ".default.weight")))))
                .isEqualTo(digest);

        assertThat(digest(f -> f.config.put("lora_alpha", "9"))).isNotEqualTo(digest);
        assertThat(digest(f -> f.queryA().set(0, 1))).isNotEqualTo(digest);
        assertThat(digest(f -> f.queryA().toHalf())).isNotEqualTo(digest);
    }

    @Test
    void anAdapterThatChangesNothingIsAccepted() throws Exception {
        AdapterFixture fixture = new AdapterFixture();
        fixture.tensors.forEach((name, t) -> {
            if (name.contains("lora_B")) {
                t.data = new byte[t.data.length];
            }
        });
        try (PeftAdapter adapter = read(fixture)) {
            assertThat(adapter.pair(0, Projection.Q).orElseThrow().b()).containsOnly(0f);
        }
    }

    /** PEFT: the first key in file order that matches the name or its end decides. */
    @Test
    void ranksAndAlphasFollowTheirPatterns() throws Exception {
        AdapterFixture fixture = new AdapterFixture();
        Random random = new Random(1);
        fixture.config.put("lora_alpha", "6");
        fixture.config.put(
                "rank_pattern",
                "{\"layers.0.self_attn.q_proj\":2,\"q_proj\":8,\"model\\\\.layers\\\\.\\\\d+.*\":3}");
        fixture.config.put("alpha_pattern", "{\"layers\\\\.1\\\\..*\":1.5}");
        fixture.add(0, Projection.Q, 2, random);
        fixture.add(1, Projection.Q, 8, random);
        fixture.add(0, Projection.DOWN, 3, random);
        fixture.add(1, Projection.DOWN, 3, random);
        try (PeftAdapter adapter = read(fixture)) {
            assertThat(adapter.pair(0, Projection.Q).orElseThrow())
                    .matches(p -> p.rank() == 2 && p.scaling() == 3f);
            assertThat(adapter.pair(1, Projection.Q).orElseThrow())
                    .matches(p -> p.rank() == 8 && p.scaling() == 0.1875f);
            assertThat(adapter.pair(0, Projection.DOWN).orElseThrow())
                    .matches(p -> p.rank() == 3 && p.scaling() == 2f);
            assertThat(adapter.pair(1, Projection.DOWN).orElseThrow())
                    .matches(p -> p.rank() == 3 && p.scaling() == 0.5f);
            assertThat(adapter.summary().rank()).isEqualTo(8);
        }
    }

    @Test
    void targetsAreChosenByPeftsRules() throws Exception {
        // A name's end counts only at a dot; a full name escapes layers_to_transform.
        assertTargets(
                "[\"q_proj\",\"proj\",\"attn.k_proj\",\"self_attn.v_proj\"]",
                Map.of(),
                "0 Q, 0 V, 1 Q, 1 V");
        assertTargets(
                "[\"q_proj\",\"model.layers.0.mlp.up_proj\"]",
                Map.of("layers_to_transform", "[1]"),
                "0 UP, 1 Q");
        assertTargets("[\"q_proj\"]", Map.of("layers_to_transform", "0"), "0 Q");
        assertTargets(
                "[\"q_proj\"]",
                Map.of("layers_to_transform", "[0]", "layers_pattern", "\"layers\""),
                "0 Q");
        assertTargets(
                "[\"q_proj\",\"k_proj\"]",
                Map.of("exclude_modules", "[\"layers.1.self_attn.q_proj\"]"),
                "0 Q, 0 K, 1 K");
        assertTargets(
                "\"all-linear\"",
                Map.of("exclude_modules", "\".*(self_attn|1\\\\.mlp)\\\\..*\""),
                "0 GATE, 0 UP, 0 DOWN");
        assertTargets(
                "\"model\\\\.layers\\\\.1\\\\.self_attn\\\\.[kv]_proj\"", Map.of(), "1 K, 1 V");
        assertTargets("null", Map.of(), "0 Q, 0 V, 1 Q, 1 V");
        assertTargets("[\"o_proj\",\"c_attn\"]", Map.of(), "0 O, 1 O");
    }

    private void assertTargets(String targets, Map<String, String> fields, String expected)
            throws Exception {
        AdapterFixture fixture = new AdapterFixture();
        fixture.tensors.clear();
        fixture.config.put("target_modules", targets);
        fixture.config.putAll(fields);
        for (String module : expected.split(", ", -1)) {
            String[] parts = module.split(" ", -1);
            fixture.add(Integer.parseInt(parts[0]), Projection.valueOf(parts[1]), 4, new Random(3));
        }
        try (PeftAdapter adapter = read(fixture)) {
            List<String> found = new ArrayList<>();
            for (int layer = 0; layer < AdapterFixture.MODEL.layers(); layer++) {
                for (Projection p : Projection.values()) {
                    if (adapter.pair(layer, p).isPresent()) {
                        found.add(layer + " " + p.name());
                    }
                }
            }
            assertThat(String.join(", ", found)).isEqualTo(expected);
        }
    }

    @Test
    void fieldsThatSayNothingAreHarmless() throws Exception {
        String digest = digest(_ -> {});
        for (String field :
                List.of(
                        "use_dora",
                        "modules_to_save",
                        "use_qalora",
                        "arrow_config",
                        "lora_bias",
                        "some_future_field",
                        "layer_replication",
                        "fan_in_fan_out")) {
            for (String nothing : List.of("null", "false", "[]", "{}", "\"\"")) {
                assertThat(digest(f -> f.config.put(field, nothing)))
                        .as("%s: %s", field, nothing)
                        .isEqualTo(digest);
            }
        }
        for (String init : List.of("true", "false", "null", "\"gaussian\"", "\"eva\"")) {
            assertThat(digest(f -> f.config.put("init_lora_weights", init))).isEqualTo(digest);
        }
        assertThat(digest(f -> f.config.put("qalora_group_size", "16"))).isEqualTo(digest);
    }
}
