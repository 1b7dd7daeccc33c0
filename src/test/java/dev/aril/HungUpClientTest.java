package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.Engine;
import dev.aril.engine.EngineStats;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A client that goes away stops costing anything, and what it had is on the books. */
@ExtendWith(Deployed.class)
class HungUpClientTest {
    private final Deployment aril;

    private record Settled(String finishReason, int promptTokens, int completionTokens) {}

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
            Optional<Settled> row =
                    aril.sql()
                            .sql(
                                    """
                                    select finish_reason, prompt_tokens, completion_tokens
                                    from usage_events where request_id = ?\
                                    """)
                            .param(id)
                            .query(Settled.class)
                            .optional();
            assertThat(row)
                    .hasValueSatisfying(settled -> {
                        assertThat(settled.finishReason()).isEqualTo("cancelled");
                        assertThat(settled.promptTokens()).isPositive();
                        assertThat(settled.completionTokens()).isBetween(1, 999);
                    });
        });
        Deployment.eventually(() -> {
            EngineStats stats = aril.bean(Engine.class).stats();
            assertThat(stats.running()).isZero();
            assertThat(stats.waiting()).isZero();
            assertThat(stats.kvBlocksFree()).isEqualTo(stats.kvBlocks());
        });
    }
}
