package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A client that goes away stops costing anything, and what it had is on the books. */
@ExtendWith(Deployed.class)
class HungUpClientTest {
    private final Deployment aril;

    HungUpClientTest(Deployment aril) {
        this.aril = aril;
    }

    @Test
    void freesTheSequenceAndSettlesItsUsage() {
        String id;
        try (TokenReader stream =
                aril.as("globe").stream(
                        "/v1/completions",
                        Map.of(
                                "model",
                                "shakespeare",
                                "prompt",
                                "Enter the King.",
                                "max_tokens",
                                1000,
                                "temperature",
                                0,
                                "ignore_eos",
                                true))) {
            id = String.valueOf(stream.readFirstText().id());
            assertThat(stream.done()).isFalse();
        }

        Deployment.eventually(() -> {
            var row =
                    aril.sql()
                            .sql(
                                    """
                                    select finish_reason, prompt_tokens, completion_tokens
                                    from usage_events where generation_id = ?\
                                    """)
                            .param(id)
                            .query()
                            .listOfRows();
            assertThat(row).hasSize(1);
            assertThat(row.getFirst()).containsEntry("finish_reason", "cancelled");
            assertThat((int) row.getFirst().get("prompt_tokens")).isPositive();
            assertThat((int) row.getFirst().get("completion_tokens")).isBetween(1, 999);
        });
        Deployment.eventually(() -> {
            var stats = aril.bean(dev.aril.engine.Engine.class).stats();
            assertThat(stats.running()).isZero();
            assertThat(stats.waiting()).isZero();
            assertThat(stats.kvBlocksFree()).isEqualTo(stats.kvBlocks());
        });
    }
}
