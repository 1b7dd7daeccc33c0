package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.AdapterRejected;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapters of a mixture of experts: attention is served, routers and experts are refused. */
class PeftMixtureTest {
    private static final ModelConfig MIXTURE =
            new ModelConfig(
                    96,
                    160,
                    2,
                    4,
                    2,
                    32,
                    100,
                    64,
                    10_000,
                    1e-5f,
                    true,
                    1,
                    Set.of(2),
                    new ModelConfig.Traits(RopeScaling.NONE, List.of(), Set.of(), false, 4, 2));

    @TempDir Path folder;

    private static AdapterFixture attention() {
        AdapterFixture fixture = new AdapterFixture();
        fixture.tensors.clear();
        fixture.config.put("target_modules", "[\"q_proj\",\"o_proj\"]");
        Random random = new Random(3);
        for (int layer = 0; layer < MIXTURE.layers(); layer++) {
            fixture.add(layer, Projection.Q, 4, random);
            fixture.add(layer, Projection.O, 4, random);
        }
        return fixture;
    }

    @Test
    void servesAttention() throws Exception {
        try (PeftAdapter adapter = PeftAdapter.read(attention().writeTo(folder), MIXTURE)) {
            assertThat(adapter.summary().targets()).containsExactly("o_proj", "q_proj");
            assertThat(adapter.pair(1, Projection.O)).isPresent();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[\"q_proj\",\"w1\"]",
                "[\"q_proj\",\"w2\"]",
                "[\"q_proj\",\"w3\"]",
                "[\"q_proj\",\"gate\"]",
                "[\"model.layers.1.block_sparse_moe.experts.3.w2\"]",
                "\".*experts.*\"",
                "\"all-linear\""
            })
    void refusesExpertsByName(String targets) throws Exception {
        AdapterFixture fixture = attention();
        fixture.config.put("target_modules", targets);
        Path written = fixture.writeTo(folder);
        assertThatThrownBy(() -> PeftAdapter.read(written, MIXTURE).close())
                .isInstanceOf(AdapterRejected.class)
                .hasMessageContaining("block_sparse_moe")
                .hasMessageContaining(
                        "cannot be adapted; name some of [k_proj, o_proj, q_proj, v_proj]");
    }

    @Test
    void refusesTheirTensors() throws Exception {
        AdapterFixture fixture = attention();
        fixture.rename(
                AdapterFixture.QUERY_A,
                "base_model.model.model.layers.0.block_sparse_moe.experts.0.w1.lora_A.weight");
        fixture.add(0, Projection.Q, 4, new Random(4));
        Path written = fixture.writeTo(folder);
        assertThatThrownBy(() -> PeftAdapter.read(written, MIXTURE).close())
                .isInstanceOf(AdapterRejected.class)
                .hasMessageContaining("experts.0.w1")
                .hasMessageContaining("is for a router or an expert, which cannot be adapted");
    }

    /** An MLP's module is none of a mixture's. */
    @Test
    void refusesModulesThatItLacks() throws Exception {
        Path written = new AdapterFixture().writeTo(folder);
        assertThatThrownBy(() -> PeftAdapter.read(written, MIXTURE).close())
                .isInstanceOf(AdapterRejected.class)
                .hasMessageContaining("down_proj")
                .hasMessageContaining("cannot be adapted");
    }
}
