package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** SIGTERM: running streams finish within the grace or end with an error event; none is cut. */
@ExtendWith(Deployed.class)
class ShutdownTest {
    private static final int TERMINATED = 128 + 15;

    @TempDir Path temp;

    @Test
    void aRunningStreamFinishesWithinTheGrace(Deployment running) throws Exception {
        Path data = Deployment.withModelsOf(running.data(), temp.resolve("data"));
        String id;
        try (ArilProcess aril = ArilProcess.start(data, "--aril.shutdown.grace=60s")) {
            try (TokenReader stream = stream(aril, 300)) {
                stream.readFirstText();
                aril.terminate();
                stream.readAll();

                assertThat(stream.error()).isNull();
                assertThat(stream.finishReason()).isEqualTo("length");
                assertThat(stream.done()).isTrue();
                id = String.valueOf(stream.id());
            }
            assertThat(aril.awaitExit()).as(aril.output()).isEqualTo(TERMINATED);
        }
        assertThat(finishReason(data, id)).isEqualTo("length");
    }

    @Test
    void aStreamThatOutlastsTheGraceEndsWithAnError(Deployment running) throws Exception {
        Path data = Deployment.withModelsOf(running.data(), temp.resolve("data"));
        String id;
        try (ArilProcess aril = ArilProcess.start(data, "--aril.shutdown.grace=0s")) {
            try (TokenReader stream = stream(aril, 1000)) {
                stream.readFirstText();
                aril.terminate();
                stream.readAll();

                assertThat(stream.error()).isNotNull();
                assertThat(stream.done()).isFalse();
                id = String.valueOf(stream.id());
            }
            assertThat(aril.awaitExit()).as(aril.output()).isEqualTo(TERMINATED);
        }
        assertThat(finishReason(data, id))
                .as("what was generated is on the books")
                .isNotEqualTo("length");
    }

    private static TokenReader stream(ArilProcess aril, int maxTokens) {
        return aril.as("globe").stream(
                "/v1/completions",
                Map.of(
                        "model",
                        "shakespeare",
                        "prompt",
                        "Enter the King.",
                        "max_tokens",
                        maxTokens,
                        "ignore_eos",
                        true));
    }

    private static String finishReason(Path data, String id) throws IOException {
        try (ArilProcess restarted = ArilProcess.start(data)) {
            return restarted
                    .sql()
                    .sql("select finish_reason from usage_events where request_id = ?")
                    .param(id)
                    .query(String.class)
                    .single();
        }
    }
}
