package dev.aril.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Logprobs of a real model through the engine's door, against recorded ones and each other. */
@Timeout(300)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class LogprobsOnModel {
    private static final Path MODEL = Path.of("../models/novella-11m");
    private static final int CASES = 4;
    private static final int TOKENS = 24;

    @TempDir static Path folder;
    private @Nullable Engine engine;

    abstract Device device();

    /** Whether the device is there; else the tests are skipped. */
    abstract void needed();

    @BeforeAll
    void start() throws IOException {
        needed();
        Path imported = folder.resolve("novella-bf16-" + device());
        ModelImport.run(MODEL, MODEL.resolve("text/calibration.txt"), "bf16", imported, line -> {});
        engine = Engine.start(imported, EngineSettings.defaults(), device());
    }

    @AfterAll
    void close() {
        if (engine != null) {
            engine.close();
        }
    }

    private static SamplingParams params(
            int maxTokens, double penalty, Map<Integer, Float> biases, boolean prompt) {
        return new SamplingParams(
                maxTokens, 0.9, 1, 0, 0, 3L, penalty, 0, 0.25, List.of(), Set.of(), true, biases, 4,
                prompt);
    }

    private EventReader run(String id, int[] prompt, SamplingParams sampling) {
        if (engine == null) {
            throw new IllegalStateException("not started");
        }
        EventReader reader = new EventReader(Long.MAX_VALUE);
        engine.submit(new GenerationRequest(id, "f", prompt, null, sampling)).subscribe(reader);
        return reader;
    }

    private static List<TokenLogprobs> prompt(EventReader reader) throws InterruptedException {
        return ((GenerationEvent.Prompt) reader.all().getFirst()).tokens();
    }

    private static List<TokenLogprobs> generated(EventReader reader) throws InterruptedException {
        List<TokenLogprobs> tokens = new ArrayList<>();
        for (GenerationEvent event : reader.all()) {
            if (event instanceof GenerationEvent.Text text) {
                tokens.addAll(text.logprobs());
            }
        }
        return tokens;
    }

    private static int[][] prompts() throws IOException {
        JsonNode cases =
                JsonMapper.shared()
                        .readTree(Files.readAllBytes(MODEL.resolve("golden/golden.json")))
                        .path("base");
        int[][] prompts = new int[CASES][];
        for (int i = 0; i < CASES; i++) {
            prompts[i] =
                    cases.path(i)
                            .path("input_ids")
                            .valueStream()
                            .mapToInt(JsonNode::asInt)
                            .toArray();
        }
        return prompts;
    }

    @Test
    void promptsAreAsLikelyAsRecorded() throws Exception {
        JsonNode cases =
                JsonMapper.shared()
                        .readTree(Files.readAllBytes(MODEL.resolve("golden/golden.json")))
                        .path("base");
        int[][] prompts = prompts();
        List<EventReader> readers = new ArrayList<>();
        for (int i = 0; i < CASES; i++) {
            readers.add(run("recorded" + i, prompts[i], params(0, 1, Map.of(), true)));
        }
        for (int i = 0; i < CASES; i++) {
            JsonNode expected = cases.path(i).path("prompt_logprobs");
            List<TokenLogprobs> told = prompt(readers.get(i));
            assertThat(told).hasSize(expected.size() + 1);
            for (int t = 0; t < expected.size(); t++) {
                assertThat((double) told.get(t + 1).logprob())
                        .isCloseTo(expected.path(t).asDouble(), within(0.02));
            }
        }
    }

    /** Whatever moved the choice: what was generated is as likely as it is in a prompt. */
    @Test
    void whatWasGeneratedIsAsLikelyAsInAPrompt() throws Exception {
        int[][] prompts = prompts();
        Map<Integer, Float> biases = Map.of(300, 4f, 17, -100f, 521, 2.5f);
        List<EventReader> plain = new ArrayList<>();
        List<EventReader> moved = new ArrayList<>();
        for (int i = 0; i < CASES; i++) {
            // neighbours that ask for nothing run beside them
            run("quiet" + i, prompts[i], SamplingParams.greedy(TOKENS));
            plain.add(run("plain" + i, prompts[i], params(TOKENS, 1, Map.of(), false)));
            moved.add(run("moved" + i, prompts[i], params(TOKENS, 1.3, biases, false)));
        }
        boolean different = false;
        for (int i = 0; i < CASES; i++) {
            check(prompts[i], generated(plain.get(i)), "plain again" + i);
            check(prompts[i], generated(moved.get(i)), "moved again" + i);
            different |= !ids(generated(plain.get(i))).equals(ids(generated(moved.get(i))));
        }
        assertThat(different).isTrue();
    }

    private static List<Integer> ids(List<TokenLogprobs> tokens) {
        return tokens.stream().map(TokenLogprobs::id).toList();
    }

    private void check(int[] prompt, List<TokenLogprobs> generated, String id) throws Exception {
        assertThat(generated).hasSize(TOKENS);
        int[] whole =
                IntStream.concat(
                                IntStream.of(prompt),
                                generated.stream().mapToInt(TokenLogprobs::id))
                        .toArray();
        List<TokenLogprobs> again = prompt(run(id, whole, params(0, 1, Map.of(), true)));
        for (int t = 0; t < TOKENS; t++) {
            TokenLogprobs here = generated.get(t);
            TokenLogprobs there = again.get(prompt.length + t);
            assertThat(here.id()).isEqualTo(there.id());
            assertThat((double) here.logprob()).isCloseTo(there.logprob(), within(0.02));
            assertThat((double) here.topLogprobs()[0])
                    .isCloseTo(there.topLogprobs()[0], within(0.02));
            assertThat(here.topIds()).hasSize(4);
            assertThat(here.topLogprobs()).isSortedAccordingTo((a, b) -> Float.compare(b, a));
        }
    }
}
