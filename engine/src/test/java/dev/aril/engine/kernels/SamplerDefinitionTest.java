package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The sampler's shortcuts draw what the definition draws, to the id. */
class SamplerDefinitionTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 31, 500, 5000})
    void drawsTheIdOfTheDefinition(int vocabulary) {
        Random random = new Random(vocabulary);
        Sampling.Case c = Sampling.random(random, 400_000 / (vocabulary + 1000), vocabulary);
        Sampler sampler = new Sampler(vocabulary);
        for (int row = 0; row < c.draws().size(); row++) {
            assertThat(sampler.sample(c.logits(), row * vocabulary, c.draws().get(row)))
                    .as("row %s, %s", row, c.draws().get(row))
                    .isEqualTo(Sampling.expected(c, row));
        }
    }
}
