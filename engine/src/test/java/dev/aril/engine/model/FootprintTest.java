package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.kernels.KvShape;
import java.util.Set;
import org.junit.jupiter.api.Test;

class FootprintTest {
    private static final ModelConfig LLAMA_2_7B =
            new ModelConfig(
                    4096, 11008, 32, 32, 32, 128, 32000, 4096, 10_000, 1e-5f, false, 1, Set.of(2));

    private static Footprint of(Recipe recipe) {
        return Footprint.of(LLAMA_2_7B, recipe, new KvShape(32, 1, 32, 128, recipe.cache()));
    }

    @Test
    void aLargeModelsWeightsAndContext() {
        Footprint quantized = of(Recipe.W4A4);
        // 4.19 bits a weight of 6.48e9, three bytes an entry of embedding and head
        assertThat(quantized.weights()).isBetween(3_700_000_000L, 3_850_000_000L);
        assertThat(quantized.context()).isEqualTo(4096L * 32 * 32 * 2 * (64 + 4));
        assertThat(of(Recipe.BF16).weights()).isBetween(13_200_000_000L, 13_400_000_000L);
    }

    @Test
    void whatDoesNotFitSaysByHowMuch() {
        Footprint footprint = new Footprint(4_000, 500);
        footprint.check(4_500);
        assertThatThrownBy(() -> footprint.check(4_499))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "the model needs at least 4500 bytes of the device's memory, 4000 for its"
                                + " weights and 500 to keep one context; 4499 are free");
    }
}
