package dev.aril.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Steps that fail, devices that are lost, memory that runs out. */
@Timeout(60)
class EngineFailureTest {
    private static final String FAILED = "the engine failed while it computed this generation";
    private static final EngineSettings SMALL = new EngineSettings(48, 8, 256, 0, 1_000, 1);

    private final List<EngineLoop> engines = new ArrayList<>();

    @AfterEach
    void closeEngines() {
        engines.forEach(EngineLoop::close);
    }

    private EngineLoop engine(HashModel model, RunnerSource source) throws IOException {
        EngineLoop engine = HashModel.engine(model, source, SMALL);
        engines.add(engine);
        return engine;
    }

    private static HashModel none(int blocks) throws IOException {
        throw new IOException("the device does not come back");
    }

    private static AdapterRef adapter(int number) {
        return new AdapterRef(String.format("%064x", number), Path.of("a"));
    }

    /** Long prompts and short ones, some with adapters: more than run at once. */
    private static List<GenerationRequest> requests() {
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            int[] prompt = IntStream.range(0, 3 + i * 29 % 140).map(p -> 7 + p * 3).toArray();
            prompt[0] = 100 + i;
            requests.add(
                    new GenerationRequest(
                            "r" + i,
                            "flow" + i % 3,
                            prompt,
                            i % 4 == 0 ? null : adapter(i % 4),
                            SamplingParams.greedy(20 + i)));
        }
        return requests;
    }

    private static Map<String, EventReader> submit(
            Engine engine, List<GenerationRequest> requests) {
        Map<String, EventReader> readers = new LinkedHashMap<>();
        for (GenerationRequest request : requests) {
            readers.put(request.id(), read(engine.submit(request)));
        }
        return readers;
    }

    private static EventReader read(Generation generation) {
        EventReader reader = new EventReader(Long.MAX_VALUE);
        generation.subscribe(reader);
        return reader;
    }

    /** What each says on a device that never fails. */
    private Map<String, String> undisturbed() throws Exception {
        EngineLoop engine = engine(new HashModel(400), EngineFailureTest::none).begin();
        Map<String, String> texts = new LinkedHashMap<>();
        for (Map.Entry<String, EventReader> reader : submit(engine, requests()).entrySet()) {
            texts.put(reader.getKey(), reader.getValue().text());
        }
        return texts;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aLostDeviceFailsItsStepAndEverybodyElseGoesOnUnchanged(boolean atLaunch) throws Exception {
        Map<String, String> expected = undisturbed();
        HashModel first = new HashModel(400);
        HashModel second = new HashModel(400);
        first.deadly = true;
        first.failsAtLaunch = atLaunch;
        AtomicInteger steps = new AtomicInteger();
        first.failing = batch -> steps.incrementAndGet() == 12;
        EngineLoop engine =
                engine(
                        first,
                        blocks -> {
                            assertThat(blocks).isEqualTo(400);
                            assertThat(first.closed).isTrue();
                            return second;
                        });
        // before it begins, so that the same step fails every time
        Map<String, EventReader> readers = submit(engine, requests());
        engine.begin();
        int whole = 0;
        for (Map.Entry<String, EventReader> reader : readers.entrySet()) {
            GenerationEvent end = reader.getValue().end();
            String text = reader.getValue().text();
            if (end instanceof GenerationEvent.Failed failure) {
                assertThat(first.failed).contains(reader.getKey());
                assertThat(failure.message()).isEqualTo(FAILED);
                assertThat(expected.get(reader.getKey())).startsWith(text);
            } else {
                assertThat(first.failed).doesNotContain(reader.getKey());
                assertThat(text).isEqualTo(expected.get(reader.getKey()));
                whole++;
            }
        }
        assertThat(first.failed).hasSizeBetween(2, 8);
        assertThat(whole).isEqualTo(20 - first.failed.size());
        assertThat(second.resident).isNotEmpty();
        assertThat(engine.state()).isEqualTo(EngineState.READY);
        EngineStats stats = engine.stats();
        assertThat(stats.kvBlocksFree()).isEqualTo(400);
        assertThat(stats.running() + stats.waiting()).isZero();
        assertThat(stats.residentAdapters()).hasSize(second.resident.size());
    }

    @Test
    void whileTheDeviceIsSetUpRequestsWaitAndTheEngineIsNotReady() throws Exception {
        HashModel first = new HashModel(400);
        first.deadly = true;
        CountDownLatch opening = new CountDownLatch(1);
        CountDownLatch open = new CountDownLatch(1);
        // a load that was under way ends before the device is closed, and counts for nothing
        CountDownLatch loading = new CountDownLatch(1);
        first.loadGate = loading;
        first.failAt(20);
        HashModel second = new HashModel(400);
        EngineLoop engine =
                engine(
                                first,
                                blocks -> {
                                    opening.countDown();
                                    await(open);
                                    return second;
                                })
                        .begin();
        int[] prompt = {7, 8, 9};
        EventReader waits =
                read(
                        engine.submit(
                                new GenerationRequest(
                                        "w", "f", prompt, adapter(1), SamplingParams.greedy(5))));
        await(first.loading);
        EventReader fails =
                read(
                        engine.submit(
                                new GenerationRequest(
                                        "f", "f", prompt, null, SamplingParams.greedy(40))));
        assertThat(fails.end()).isEqualTo(new GenerationEvent.Failed(FAILED, new Usage(3, 18)));
        assertThat(engine.state()).isEqualTo(EngineState.RESTARTING);
        assertThat(engine.accepts()).isFalse();
        assertThat(first.closed).isFalse();
        loading.countDown();
        await(opening);
        assertThat(first.closed).isTrue();
        EventReader late =
                read(
                        engine.submit(
                                new GenerationRequest(
                                        "l", "f", prompt, adapter(1), SamplingParams.greedy(5))));
        assertThat(engine.state()).isEqualTo(EngineState.RESTARTING);
        open.countDown();
        assertThat(waits.end()).isInstanceOf(GenerationEvent.Finished.class);
        assertThat(late.text()).isEqualTo(waits.text());
        assertThat(second.resident).containsValue(adapter(1));
        assertThat(engine.state()).isEqualTo(EngineState.READY);
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aDeviceThatDoesNotComeBackEndsEverything() throws Exception {
        HashModel model = new HashModel(400);
        model.deadly = true;
        AtomicInteger steps = new AtomicInteger();
        model.failing = batch -> steps.incrementAndGet() == 12;
        EngineLoop engine = engine(model, EngineFailureTest::none);
        Map<String, EventReader> readers = submit(engine, requests());
        engine.begin();
        String gone = "the engine stopped: its device failed and could not be set up anew";
        Set<String> messages = Set.of(FAILED, gone);
        int waited = 0;
        for (EventReader reader : readers.values()) {
            if (reader.end() instanceof GenerationEvent.Failed failure) {
                assertThat(failure.message()).isIn(messages);
                waited += failure.message().equals(gone) ? 1 : 0;
            }
        }
        assertThat(waited).isPositive();
        broken(engine, gone);
    }

    private static void broken(EngineLoop engine, String message) {
        assertThatThrownBy(() ->
                        engine.submit(
                                new GenerationRequest(
                                        "late",
                                        "f",
                                        new int[] {7},
                                        null,
                                        SamplingParams.greedy(5))))
                .isInstanceOf(EngineOverloaded.class)
                .hasMessage(message);
        assertThat(engine.state()).isEqualTo(EngineState.BROKEN);
        engine.close();
        assertThat(engine.state()).as("closing mends nothing").isEqualTo(EngineState.BROKEN);
    }

    @Test
    void aDeviceThatFailsAgainAtOnceEndsEverything() throws Exception {
        List<HashModel> models = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            HashModel model = new HashModel(400);
            model.deadly = true;
            AtomicInteger steps = new AtomicInteger();
            model.failing = batch -> steps.incrementAndGet() == 12;
            models.add(model);
        }
        AtomicInteger opened = new AtomicInteger();
        EngineLoop engine = engine(models.get(0), blocks -> models.get(opened.incrementAndGet()));
        Map<String, EventReader> readers = submit(engine, requests());
        engine.begin();
        for (EventReader reader : readers.values()) {
            reader.end();
        }
        assertThat(opened.get()).isEqualTo(1);
        broken(
                engine,
                "the engine stopped: its device failed again within 60 seconds of a restart");
        assertThat(models.get(1).closed).isTrue();
    }

    @Test
    void aSmallerDeviceIsNoReplacement() throws Exception {
        HashModel model = new HashModel(400);
        model.deadly = true;
        model.failAt(5);
        HashModel smaller = new HashModel(399);
        EngineLoop engine = engine(model, blocks -> smaller).begin();
        EventReader reader =
                read(
                        engine.submit(
                                new GenerationRequest(
                                        "r", "f", new int[] {7}, null, SamplingParams.greedy(9))));
        assertThat(reader.end()).isInstanceOf(GenerationEvent.Failed.class);
        while (engine.state() != EngineState.BROKEN) {
            Thread.sleep(1);
        }
        assertThat(smaller.closed).isTrue();
    }

    @Test
    void restartsAreRare() {
        Restarts restarts = new Restarts();
        long now = System.nanoTime();
        assertThat(restarts.allowed(now)).isTrue();
        restarts.ended(now);
        assertThat(restarts.allowed(now + Restarts.QUIET.toNanos() - 1)).isFalse();
        assertThat(restarts.allowed(now + Restarts.QUIET.toNanos())).isTrue();
    }

    @Test
    void aRowThatDivergesFailsAlone() throws Exception {
        HashModel model = new HashModel(400);
        model.divergingPosition = 12;
        EngineLoop engine = engine(model, EngineFailureTest::none);
        EventReader fine = read(engine.submit(request("fine", 20, null)));
        EventReader diverges =
                read(
                        engine.submit(
                                new GenerationRequest(
                                        "d",
                                        "f",
                                        new int[] {7, 8},
                                        null,
                                        SamplingParams.greedy(30))));
        engine.begin();
        assertThat(diverges.end())
                .isEqualTo(
                        new GenerationEvent.Failed(
                                "the model diverged: its logits are not finite", new Usage(2, 11)));
        assertThat(fine.end()).isInstanceOf(GenerationEvent.Finished.class);
    }

    private static GenerationRequest request(
            String id, int promptLength, @Nullable AdapterRef adapter) {
        return new GenerationRequest(
                id,
                id,
                IntStream.range(0, promptLength).map(i -> 7 + i).toArray(),
                adapter,
                SamplingParams.greedy(30));
    }

    @Test
    void adaptersWaitForMemoryThatTheBudgetPromisedAndTheDeviceLacks() throws Exception {
        Map<String, String> expected = undisturbed();
        HashModel model = new HashModel(400);
        model.memory = 250; // of the budget's 1000: two adapters of three
        EngineLoop engine = engine(model, EngineFailureTest::none).begin();
        Map<String, EventReader> readers = submit(engine, requests());
        for (Map.Entry<String, EventReader> reader : readers.entrySet()) {
            assertThat(reader.getValue().text()).isEqualTo(expected.get(reader.getKey()));
        }
        assertThat(model.outOfMemory.get()).isPositive();
        assertThat(model.resident).hasSizeBetween(1, 2);
        assertThat(engine.stats().adapterBytes()).isEqualTo(100L * model.resident.size());
    }

    @Test
    void anAdapterThatNeverFitsSaysHowMuchItLacks() throws Exception {
        HashModel model = new HashModel(400);
        model.memory = 60;
        EngineLoop engine = engine(model, EngineFailureTest::none).begin();
        EventReader reader = read(engine.submit(request("a", 3, adapter(1))));
        EventReader base = read(engine.submit(request("b", 3, null)));
        assertThat(reader.end())
                .isEqualTo(
                        new GenerationEvent.Failed(
                                "the adapter takes 100 bytes of the device's memory; all adapters"
                                        + " together may take 60",
                                new Usage(0, 0)));
        assertThat(base.end()).isInstanceOf(GenerationEvent.Finished.class);
    }

    @Test
    void aDeviceLostDuringALoadIsSetUpAnew() throws Exception {
        AtomicBoolean restarted = new AtomicBoolean();
        HashModel second = new HashModel(400);
        HashModel first =
                new HashModel(400) {
                    @Override
                    public long loadAdapter(AdapterRef adapter, int slot) {
                        lost = true;
                        throw new IllegalStateException("a copy failed, as the test wants");
                    }
                };
        EngineLoop engine =
                engine(
                                first,
                                blocks -> {
                                    restarted.set(true);
                                    return second;
                                })
                        .begin();
        EventReader reader = read(engine.submit(request("a", 3, adapter(1))));
        assertThat(reader.end())
                .isEqualTo(
                        new GenerationEvent.Failed(
                                "the adapter could not be loaded", new Usage(0, 0)));
        EventReader again = read(engine.submit(request("b", 3, adapter(1))));
        assertThat(again.end()).isInstanceOf(GenerationEvent.Finished.class);
        assertThat(restarted.get()).isTrue();
    }
}
