package dev.aril.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.text.ChatTemplate;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Adapters that come and go while others decode, on a real model: whatever else the device does, an
 * answer is the one that its request gets alone.
 */
@Timeout(300)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class AdapterTraffic {
    private static final Path MODEL = Path.of("../models/novella-11m");
    private static final int ADAPTERS = 40;
    private static final int STREAMS = 16;
    private static final int REQUESTS = 5;
    private static final int ROWS = 96;

    @TempDir static Path folder;
    private @Nullable Path imported;

    private final List<AutoCloseable> open = new ArrayList<>();

    /** A device of its own, closed by its forward pass. */
    abstract Kernels kernels();

    private Path model() throws IOException {
        Path model = imported;
        if (model == null) {
            Path calibration = folder.resolve("calibration.txt");
            String text = Files.readString(MODEL.resolve("text/calibration.txt"));
            Files.writeString(calibration, text.substring(0, 12_000));
            model = folder.resolve("novella");
            ModelImport.run(MODEL, calibration, "w4a4", model, line -> {});
            imported = model;
        }
        return model;
    }

    @AfterEach
    void closeAll() throws Exception {
        for (AutoCloseable one : open.reversed()) {
            one.close();
        }
        open.clear();
    }

    Forward forward(LongUnaryOperator kvBytes) throws IOException {
        try (ModelFiles files = ModelFiles.open(model())) {
            return new Forward(files, kernels(), ROWS, kvBytes);
        }
    }

    EngineLoop engine(WatchedRunner runner, RunnerSource source, long adapterBytes)
            throws IOException {
        try (ModelFiles files = ModelFiles.open(model())) {
            EngineLoop engine =
                    new EngineLoop(
                                    files.card(),
                                    files.config(),
                                    Tokenizer.open(MODEL),
                                    ChatTemplate.open(MODEL),
                                    runner,
                                    source,
                                    new EngineSettings(ROWS, STREAMS, 256, 0, adapterBytes, 0),
                                    adapter -> new AdapterSummary("0".repeat(64), 8, List.of(), 1))
                            .begin();
            open.add(engine);
            return engine;
        }
    }

    static WatchedRunner noOther(int blocks) throws IOException {
        throw new IOException("there is no other device");
    }

    ModelConfig config() throws IOException {
        try (ModelFiles files = ModelFiles.open(model())) {
            return files.config();
        }
    }

    /** Ranks up to the given one. */
    List<AdapterRef> adapters(int count, int rank) throws IOException {
        List<AdapterRef> adapters = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Path at = folder.resolve("adapter-" + rank + "-" + i);
            adapters.add(RandomAdapter.write(at, config(), 1 + (rank - 1) * (i % 4) / 3, i + 1));
        }
        return adapters;
    }

    /** Bytes of the largest of them on this device. */
    long largest(Forward forward, List<AdapterRef> adapters) throws Exception {
        long largest = 0;
        for (AdapterRef adapter : adapters.subList(0, Math.min(4, adapters.size()))) {
            largest = Math.max(largest, forward.loadAdapter(adapter, 0));
            forward.evictAdapter(0);
        }
        return largest;
    }

    /** Of one stream: adapters at random, the base now and then, greedy and drawn. */
    static List<GenerationRequest> requests(int stream, List<AdapterRef> adapters) {
        Random random = new Random(stream);
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < REQUESTS; i++) {
            int[] prompt = random.ints(3 + random.nextInt(60), 8, 4096).toArray();
            AdapterRef adapter =
                    random.nextInt(8) == 0 ? null : adapters.get(random.nextInt(adapters.size()));
            boolean greedy = random.nextBoolean();
            SamplingParams sampling =
                    new SamplingParams(
                            4 + random.nextInt(12),
                            greedy ? 0 : 0.9,
                            1,
                            0,
                            0,
                            (long) i,
                            1,
                            0,
                            0,
                            List.of(),
                            Set.of(),
                            true);
            requests.add(
                    new GenerationRequest(
                            stream + "-" + i, "flow" + stream % 5, prompt, adapter, sampling));
        }
        return requests;
    }

    static String answer(Engine engine, GenerationRequest request) throws InterruptedException {
        EventReader reader = new EventReader(Long.MAX_VALUE);
        engine.submit(request).subscribe(reader);
        String text = reader.text();
        return reader.end() instanceof GenerationEvent.Failed failed
                ? "failed: " + failed.message()
                : text;
    }

    /** Each request's answer, one after the other. */
    Map<String, String> alone(List<AdapterRef> adapters) throws Exception {
        EngineLoop engine =
                engine(
                        new WatchedRunner(forward(free -> 8 << 20)),
                        AdapterTraffic::noOther,
                        1L << 40);
        Map<String, String> answers = new HashMap<>();
        for (int stream = 0; stream < STREAMS; stream++) {
            for (GenerationRequest request : requests(stream, adapters)) {
                answers.put(request.id(), answer(engine, request));
            }
        }
        engine.close();
        assertThat(Set.copyOf(answers.values())).as("answers differ").hasSizeGreaterThan(60);
        return answers;
    }

    /** Each request's answer, all streams at once. */
    static Map<String, String> together(Engine engine, List<AdapterRef> adapters) throws Exception {
        Map<String, String> answers = new HashMap<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Map<String, String>>> streams = new ArrayList<>();
            for (int s = 0; s < STREAMS; s++) {
                int stream = s;
                streams.add(
                        threads.submit(() -> {
                            Map<String, String> own = new HashMap<>();
                            for (GenerationRequest request : requests(stream, adapters)) {
                                own.put(request.id(), answer(engine, request));
                            }
                            return own;
                        }));
            }
            for (Future<Map<String, String>> stream : streams) {
                answers.putAll(stream.get());
            }
        }
        return answers;
    }

    @Test
    void fortyAdaptersInRoomForFourChangeNoAnswer() throws Exception {
        List<AdapterRef> adapters = adapters(ADAPTERS, 8);
        Map<String, String> expected = alone(adapters);
        Forward forward = forward(free -> 8 << 20);
        long budget = 4 * largest(forward, adapters);
        WatchedRunner runner = new WatchedRunner(forward);
        EngineLoop engine = engine(runner, AdapterTraffic::noOther, budget);
        assertThat(together(engine, adapters)).isEqualTo(expected);
        assertThat(runner.violations).isEmpty();
        assertThat(runner.loads).hasValueGreaterThan(ADAPTERS / 2);
        assertThat(runner.evictions).hasValueGreaterThan(ADAPTERS / 2 - 8);
        EngineStats stats = engine.stats();
        assertThat(stats.adapterBytes()).isBetween(1L, budget);
        assertThat(stats.kvBlocksFree()).isEqualTo(stats.kvBlocks());
    }

    @Test
    void aColdAdapterKeepsNobodyElseWaiting() throws Exception {
        List<AdapterRef> adapters = adapters(3, 8);
        WatchedRunner runner = new WatchedRunner(forward(free -> 8 << 20));
        EngineLoop engine = engine(runner, AdapterTraffic::noOther, 1L << 40);
        String warm = answer(engine, request("warm", adapters.get(0)));
        String base = answer(engine, request("base", null));
        CountDownLatch gate = new CountDownLatch(1);
        runner.gates.put(adapters.get(1), gate);
        EventReader cold = new EventReader(Long.MAX_VALUE);
        engine.submit(request("cold", adapters.get(1))).subscribe(cold);
        // the loader holds the latch, the device goes on
        for (int i = 0; i < 3; i++) {
            assertThat(answer(engine, request("warm" + i, adapters.get(0)))).isEqualTo(warm);
            assertThat(answer(engine, request("base" + i, null))).isEqualTo(base);
        }
        assertThat(cold.events).isEmpty();
        gate.countDown();
        assertThat(cold.completed.await(60, TimeUnit.SECONDS)).isTrue();
        assertThat(cold.end()).isInstanceOf(GenerationEvent.Finished.class);
        assertThat(cold.text()).isNotEqualTo(base);
        assertThat(runner.violations).isEmpty();
    }

    private static GenerationRequest request(String id, @Nullable AdapterRef adapter) {
        int[] prompt = new Random(3).ints(20, 8, 4096).toArray();
        return new GenerationRequest(id, "f", prompt, adapter, SamplingParams.greedy(16));
    }

    @Test
    void aDeviceSetUpAnewSaysWhatTheOldOneWouldHave() throws Exception {
        List<AdapterRef> adapters = adapters(6, 8);
        Map<String, String> expected = alone(adapters);
        WatchedRunner first = new WatchedRunner(forward(free -> 8 << 20));
        first.deadlyStep = 25;
        WatchedRunner second = new WatchedRunner(forward(free -> 8 << 20));
        EngineLoop engine = engine(first, blocks -> second, 1L << 40);
        Map<String, String> answers = together(engine, adapters);
        int failed = 0;
        for (Map.Entry<String, String> answer : answers.entrySet()) {
            if (answer.getValue().startsWith("failed: ")) {
                assertThat(answer.getValue())
                        .isEqualTo("failed: the engine failed while it computed this generation");
                failed++;
            } else {
                assertThat(answer.getValue()).isEqualTo(expected.get(answer.getKey()));
            }
        }
        assertThat(failed).isBetween(1, STREAMS);
        assertThat(first.violations).isEmpty();
        assertThat(second.violations).isEmpty();
        assertThat(second.loads).hasValueGreaterThan(2);
    }
}
