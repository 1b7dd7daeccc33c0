package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What a client was told is still so after the process was killed. */
@ExtendWith(Deployed.class)
class RestartTest {
    private static final Map<String, String> ADAPTERS =
            Map.of("holmes", "sherlock", "globe", "shakespeare", "acme", "sql");

    @TempDir Path temp;

    @Test
    void keysAdaptersAndFinishedUsageSurviveAKillInMidStream(Deployment running) throws Exception {
        Path data = Deployment.withModelsOf(running.data(), temp.resolve("data"));
        Map<String, String> keys;
        Set<String> finished = ConcurrentHashMap.newKeySet();
        try (ArilProcess aril = ArilProcess.start(data);
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            keys = Deployment.keys(data);
            assertThat(
                            aril.as("globe")
                                    .upload(AdapterFiles.demo("sherlock").parts("prose"))
                                    .status())
                    .isEqualTo(201);
            List<Future<?>> clients = new ArrayList<>();
            for (String tenant : ADAPTERS.keySet()) {
                clients.add(
                        threads.submit(() ->
                                askUntilTheEnd(aril.as(tenant), ADAPTERS.get(tenant), finished)));
            }
            Deployment.eventually(() -> assertThat(finished).hasSizeGreaterThan(6));
            try (TokenReader cut = stream(aril.as("acme"), "sql", 1000)) {
                cut.readFirstText();
                assertThat(cut.done()).isFalse();
                aril.kill();
            }
            for (Future<?> client : clients) {
                client.get();
            }
        }

        try (ArilProcess restarted = ArilProcess.start(data)) {
            assertThat(Deployment.keys(data)).as("no key was issued anew").isEqualTo(keys);
            ADAPTERS.forEach((tenant, adapter) -> {
                Caller.Reply reply =
                        restarted
                                .as(tenant)
                                .post(
                                        "/v1/completions",
                                        Map.of("model", adapter, "prompt", "The", "max_tokens", 4));
                assertThat(reply.status()).as(reply.body()).isEqualTo(200);
            });
            assertThat(restarted.as("globe").get("/v1/adapters/prose").status()).isEqualTo(200);
            var recorded =
                    restarted
                            .sql()
                            .sql("select request_id from usage_events")
                            .query(String.class)
                            .list();
            assertThat(recorded).containsAll(finished);
        }
    }

    /** One short generation after another; an id is kept when its answer's end was read. */
    private static void askUntilTheEnd(Caller caller, String model, Set<String> finished) {
        while (true) {
            try (TokenReader stream = stream(caller, model, 8).readAll()) {
                if (!stream.done()) {
                    return;
                }
                finished.add(String.valueOf(stream.id()));
            } catch (UncheckedIOException killed) {
                return;
            }
        }
    }

    private static TokenReader stream(Caller caller, String model, int maxTokens) {
        return caller.stream(
                "/v1/completions",
                Map.of(
                        "model",
                        model,
                        "prompt",
                        "The",
                        "max_tokens",
                        maxTokens,
                        "ignore_eos",
                        true));
    }
}
