package dev.aril.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.kernels.Draw;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Matrix;
import dev.aril.engine.kernels.ReferenceKernels;
import dev.aril.engine.model.Draws;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.StepRunner;
import dev.aril.engine.schedule.Batch;
import dev.aril.engine.schedule.Span;
import dev.aril.engine.text.ChatTemplate;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntUnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EngineLoopTest {
    private static final Path NOVELLA = Path.of("..", "models", "novella-11m");
    private static final int VOCABULARY = 4096;
    private static final int EOS = 2;

    /**
     * A model without weights: the next id is a hash of the adapter and of all ids that it finds in
     * the KV blocks, which here hold the ids themselves. So a wrong block table, a lost position or
     * another's adapter changes the answer.
     */
    private static final class HashModel implements StepRunner {
        final int[] cache;
        final int blocks;
        final Map<Integer, AdapterRef> resident = new ConcurrentHashMap<>();
        final AtomicInteger mostSequences = new AtomicInteger();

        /** Replaces the hash by an id for each position. */
        volatile @Nullable IntUnaryOperator script;

        volatile int failingPosition = -1;
        volatile int divergingPosition = -1;
        volatile @Nullable CountDownLatch loadGate;
        volatile boolean closed;

        private final Kernels sampler = new ReferenceKernels();
        private final ExecutorService device =
                Executors.newSingleThreadExecutor(Thread.ofVirtual().factory());
        private CompletableFuture<int[]> step = CompletableFuture.completedFuture(new int[0]);
        private volatile boolean flying;

        HashModel(int blocks) {
            this.blocks = blocks;
            this.cache = new int[blocks * kvBlockTokens()];
        }

        /** On a thread of its own, as a device is beside the host. */
        @Override
        public void launch(Batch batch) {
            mostSequences.accumulateAndGet(batch.spans().size(), Math::max);
            List<int[]> tables = new ArrayList<>();
            List<Draw> draws = new ArrayList<>();
            for (Span span : batch.spans()) {
                tables.add(span.sequence().blockTable());
                if (span.samples()) {
                    draws.add(Draws.of(span.sequence()));
                }
            }
            int[] slots = new int[batch.spans().size()];
            Arrays.setAll(slots, i -> batch.spans().get(i).sequence().slot());
            flying = true;
            step =
                    CompletableFuture.supplyAsync(
                            () -> compute(batch, tables, slots, draws), device);
        }

        @Override
        public int[] await() {
            try {
                return step.join();
            } catch (CompletionException e) {
                throw new IllegalStateException(e.getCause());
            } finally {
                flying = false;
            }
        }

        private int[] compute(Batch batch, List<int[]> tables, int[] slots, List<Draw> draws) {
            for (int row = 0; row < batch.rows(); row++) {
                if (batch.position(row) == failingPosition) {
                    throw new IllegalStateException("a kernel failed, as the test wants");
                }
                int[] table = tables.get(batch.spanOfRow()[row]);
                cache[place(table, batch.position(row))] = batch.token(row);
            }
            Matrix logits = sampler.matrix(Math.max(1, draws.size()), VOCABULARY);
            float[] values = new float[Math.max(1, draws.size()) * VOCABULARY];
            int sample = 0;
            for (int i = 0; i < tables.size(); i++) {
                Span span = batch.spans().get(i);
                if (span.samples()) {
                    int last = batch.position(span.lastRow());
                    int next = next(tables.get(i), slots[i], last);
                    values[sample++ * VOCABULARY + next] =
                            last == divergingPosition ? Float.NaN : 10;
                }
            }
            sampler.write(logits, values);
            sampler.sample(logits, draws);
            return sampler.sampled();
        }

        private int next(int[] table, int slot, int last) {
            IntUnaryOperator fixed = script;
            if (fixed != null) {
                return fixed.applyAsInt(last);
            }
            AdapterRef adapter = resident.get(slot);
            int hash = adapter == null ? 17 : adapter.digest().hashCode();
            for (int p = 0; p <= last; p++) {
                hash = 31 * hash + cache[place(table, p)];
            }
            // no special tokens, so that nothing ends early
            return 7 + Math.floorMod(hash ^ (hash >>> 15), VOCABULARY - 7);
        }

        private int place(int[] table, int position) {
            return table[position / kvBlockTokens()] * kvBlockTokens() + position % kvBlockTokens();
        }

        @Override
        public long loadAdapter(AdapterRef adapter, int slot) throws AdapterRejected, IOException {
            CountDownLatch gate = loadGate;
            if (gate != null) {
                try {
                    gate.await();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
            }
            switch (adapter.folder().toString()) {
                case "refused" ->
                        throw new AdapterRejected(
                                AdapterRejected.Part.CONFIG, "r must be at most 64");
                case "unreadable" -> throw new IOException("disk");
                case "huge" -> {
                    return 2_000;
                }
                default -> {
                    resident.put(slot, adapter);
                    return 100;
                }
            }
        }

        @Override
        public void evictAdapter(int slot) {
            if (flying) {
                throw new IllegalStateException("a step may still read slot " + slot);
            }
            resident.remove(slot);
        }

        @Override
        public int kvBlocks() {
            return blocks;
        }

        @Override
        public int kvBlockTokens() {
            return 8;
        }

        @Override
        public int adapterSlots() {
            return 3;
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    /** Collects everything, or asks for as much as the test says. */
    private static final class Reader implements Flow.Subscriber<GenerationEvent> {
        final LinkedBlockingQueue<GenerationEvent> events = new LinkedBlockingQueue<>();
        final CountDownLatch completed = new CountDownLatch(1);
        final long demand;
        volatile Flow.@Nullable Subscription subscription;
        volatile @Nullable Throwable error;

        Reader(long demand) {
            this.demand = demand;
        }

        @Override
        public void onSubscribe(Flow.Subscription given) {
            subscription = given;
            if (demand != 0) {
                given.request(demand);
            }
        }

        @Override
        public void onNext(GenerationEvent event) {
            events.add(event);
        }

        @Override
        public void onError(Throwable failure) {
            error = failure;
            completed.countDown();
        }

        @Override
        public void onComplete() {
            completed.countDown();
        }

        Flow.Subscription subscription() {
            return Objects.requireNonNull(subscription);
        }

        List<GenerationEvent> all() throws InterruptedException {
            assertThat(completed.await(30, TimeUnit.SECONDS)).isTrue();
            return List.copyOf(events);
        }

        String text() throws InterruptedException {
            return all().stream()
                    .filter(GenerationEvent.Text.class::isInstance)
                    .map(event -> ((GenerationEvent.Text) event).text())
                    .collect(Collectors.joining());
        }

        GenerationEvent end() throws InterruptedException {
            return all().getLast();
        }
    }

    private final List<EngineLoop> engines = new ArrayList<>();

    @AfterEach
    void closeEngines() {
        engines.forEach(EngineLoop::close);
    }

    private EngineLoop engine(HashModel model, EngineSettings settings) throws IOException {
        return engine(
                model,
                blocks -> {
                    throw new IOException("there is no other device");
                },
                settings);
    }

    private EngineLoop engine(HashModel model, RunnerSource source, EngineSettings settings)
            throws IOException {
        ModelConfig config =
                new ModelConfig(
                        384,
                        1024,
                        6,
                        6,
                        2,
                        64,
                        VOCABULARY,
                        200,
                        10_000,
                        1e-5f,
                        true,
                        1,
                        Set.of(EOS));
        EngineLoop engine =
                new EngineLoop(
                                new ModelCard("hash", "bf16", 200, VOCABULARY, 0),
                                config,
                                Tokenizer.open(NOVELLA),
                                ChatTemplate.open(NOVELLA),
                                model,
                                source,
                                settings,
                                folder -> new AdapterSummary("0".repeat(64), 8, List.of(), 1))
                        .begin();
        engines.add(engine);
        return engine;
    }

    private EngineLoop engine(HashModel model) throws IOException {
        return engine(model, new EngineSettings(48, 16, 256, 0, 1_000, 1));
    }

    private static GenerationRequest request(
            String id, int[] prompt, @Nullable AdapterRef adapter, SamplingParams sampling) {
        return new GenerationRequest(id, "flow" + id.hashCode() % 3, prompt, adapter, sampling);
    }

    private static AdapterRef adapter(int number, String folder) {
        return new AdapterRef(String.format("%064x", number), Path.of(folder));
    }

    private static SamplingParams stop(int maxTokens, List<String> stop, Set<Integer> ids) {
        return new SamplingParams(maxTokens, 0, 1, 0, 0, null, 1, 0, 0, stop, ids, false);
    }

    private static Reader read(Generation generation) {
        Reader reader = new Reader(Long.MAX_VALUE);
        generation.subscribe(reader);
        return reader;
    }

    private static Usage usage(Generation generation) throws Exception {
        return generation.usage().toCompletableFuture().get(30, TimeUnit.SECONDS);
    }

    private static int[] ids(int length) {
        return IntStream.rangeClosed(1, length).map(i -> 7 + i * 3).toArray();
    }

    @Test
    void neighboursPreemptionAndEvictionChangeNothing() throws Exception {
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            SamplingParams sampling =
                    i % 4 == 3
                            ? new SamplingParams(
                                    5 + i, 1, 0.9, 0, 0, (long) i, 1.1, 0, 0, List.of(), Set.of(),
                                    false)
                            : SamplingParams.greedy(5 + i);
            requests.add(
                    request(
                            "r" + i,
                            ids(1 + i * 7 % 90),
                            i % 5 == 0 ? null : adapter(i % 5, "a"),
                            sampling));
        }
        List<String> alone = new ArrayList<>();
        EngineLoop roomy = engine(new HashModel(400));
        for (GenerationRequest request : requests) {
            alone.add(read(roomy.submit(request)).text());
        }
        // 25 blocks of 8 hold one context, the 40 want 10 times as much
        HashModel model = new HashModel(25);
        EngineLoop crowded = engine(model);
        List<Reader> readers = new ArrayList<>();
        for (GenerationRequest request : requests) {
            readers.add(read(crowded.submit(request)));
        }
        for (int i = 0; i < requests.size(); i++) {
            assertThat(readers.get(i).text()).as("request %s", i).isEqualTo(alone.get(i));
            assertThat(readers.get(i).end())
                    .isEqualTo(
                            new GenerationEvent.Finished(
                                    FinishReason.LENGTH,
                                    new Usage(requests.get(i).prompt().length, 5 + i)));
        }
        assertThat(Set.copyOf(alone)).hasSize(40);
        assertThat(model.mostSequences.get()).isGreaterThan(2);
        EngineStats stats = crowded.stats();
        assertThat(stats.kvBlocksFree()).isEqualTo(25);
        assertThat(stats.running() + stats.waiting()).isZero();
        assertThat(stats.completionTokens())
                .isEqualTo(IntStream.range(0, 40).map(i -> 5 + i).sum());
        assertThat(stats.promptTokens())
                .as("recomputed prompts count again")
                .isGreaterThan(IntStream.range(0, 40).map(i -> 1 + i * 7 % 90).sum());
        assertThat(stats.steps()).hasSize(5);
        assertThat(stats.steps().subList(1, 4)).allMatch(steps -> steps > 0);
        assertThat(stats.residentAdapters()).hasSizeBetween(1, 3);
        assertThat(stats.adapterBytes()).isEqualTo(100L * stats.residentAdapters().size());
    }

    @Test
    void theTextIsThatOfTheIds() throws Exception {
        HashModel model = new HashModel(50);
        EngineLoop engine = engine(model);
        String text = "Grüße \uD83D\uDE00, it was";
        int[] prompt = engine.tokenize("He said:");
        assertThat(prompt[0]).isEqualTo(1);
        int[] answer = Arrays.copyOfRange(engine.tokenize(text), 1, engine.tokenize(text).length);
        script(model, prompt.length, answer);
        Generation generation =
                engine.submit(request("g", prompt, null, SamplingParams.greedy(150)));
        Reader reader = read(generation);
        assertThat(reader.text()).isEqualTo(text);
        Usage usage = new Usage(prompt.length, answer.length + 1);
        assertThat(reader.end()).isEqualTo(new GenerationEvent.Finished(FinishReason.STOP, usage));
        assertThat(usage(generation)).isEqualTo(usage);
        int accounted = 0;
        for (GenerationEvent event : reader.all()) {
            if (event instanceof GenerationEvent.Text piece) {
                assertThat(piece.text()).isNotEmpty();
                accounted += piece.tokens();
            }
        }
        assertThat(accounted).isEqualTo(answer.length);
    }

    /** The model then says exactly this, and ends. */
    private static void script(HashModel model, int promptLength, int[] answer) {
        model.script =
                last -> {
                    int at = last + 1 - promptLength;
                    return at < answer.length ? answer[at] : EOS;
                };
    }

    @Test
    void endsAtStopStringsStopIdsAndEndIds() throws Exception {
        HashModel model = new HashModel(50);
        EngineLoop engine = engine(model);
        int[] whole = engine.tokenize("The end.\n\nUser: and so on");
        int[] answer = Arrays.copyOfRange(whole, 1, whole.length);
        script(model, 4, answer);
        Generation stopped =
                engine.submit(
                        request(
                                "1",
                                ids(4),
                                null,
                                stop(100, List.of("\n\nUser:", "zz"), Set.of())));
        assertThat(read(stopped).text()).isEqualTo("The end.");
        assertThat(usage(stopped).completionTokens())
                .as("ends with the id that completes the stop string")
                .isLessThan(answer.length)
                .isGreaterThan(3);
        Reader byId =
                read(
                        engine.submit(
                                request(
                                        "2",
                                        ids(4),
                                        null,
                                        stop(100, List.of(), Set.of(answer[2])))));
        assertThat(byId.end())
                .isEqualTo(new GenerationEvent.Finished(FinishReason.STOP, new Usage(4, 3)));
        assertThat("The end.").startsWith(byId.text());
        Reader all = read(engine.submit(request("3", ids(4), null, SamplingParams.greedy(100))));
        assertThat(all.text()).isEqualTo("The end.\n\nUser: and so on");
        SamplingParams goesOn =
                new SamplingParams(
                        answer.length + 5, 0, 1, 0, 0, null, 1, 0, 0, List.of(), Set.of(), true);
        Reader ignoring = read(engine.submit(request("4", ids(4), null, goesOn)));
        assertThat(ignoring.end())
                .isEqualTo(
                        new GenerationEvent.Finished(
                                FinishReason.LENGTH, new Usage(4, answer.length + 5)));
        Reader held =
                read(
                        engine.submit(
                                request(
                                        "5",
                                        ids(4),
                                        null,
                                        stop(100, List.of("on and on"), Set.of()))));
        assertThat(held.text()).isEqualTo("The end.\n\nUser: and so on");
    }

    @Test
    void aSlowSubscriberHoldsUpNobodyAndGetsWhatItAsksFor() throws Exception {
        EngineLoop engine = engine(new HashModel(100));
        Generation slow = engine.submit(request("slow", ids(3), null, SamplingParams.greedy(50)));
        Reader reader = new Reader(0);
        slow.subscribe(reader);
        Reader other =
                read(engine.submit(request("other", ids(3), null, SamplingParams.greedy(60))));
        assertThat(other.end()).isInstanceOf(GenerationEvent.Finished.class);
        assertThat(usage(slow)).isEqualTo(new Usage(3, 50));
        assertThat(reader.events).isEmpty();
        Flow.Subscription subscription = reader.subscription();
        subscription.request(1);
        assertThat(reader.events.poll(30, TimeUnit.SECONDS)).isNotNull();
        assertThat(reader.completed.getCount()).isEqualTo(1);
        subscription.request(Long.MAX_VALUE);
        assertThat(reader.end()).isInstanceOf(GenerationEvent.Finished.class);
        Reader second = read(slow);
        second.all();
        assertThat(second.error).hasMessageContaining("one subscriber only");
    }

    @Test
    void aSubscriberThatAsksForNothingSensibleHearsSo() throws Exception {
        EngineLoop engine = engine(new HashModel(100));
        Generation generation =
                engine.submit(request("g", ids(3), null, SamplingParams.greedy(150)));
        Reader reader = new Reader(-1);
        generation.subscribe(reader);
        reader.all();
        assertThat(reader.error).hasMessageContaining("at least 1");
        usage(generation);
    }

    @Test
    void cancellingFreesEverything() throws Exception {
        HashModel model = new HashModel(50);
        EngineLoop engine = engine(model);
        List<Generation> generations = new ArrayList<>();
        List<Reader> readers = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            // it never ends by itself within the test: 150 ids, and the first ones are awaited
            generations.add(
                    engine.submit(
                            request("g" + i, ids(3), adapter(1, "a"), SamplingParams.greedy(150))));
            readers.add(read(generations.get(i)));
        }
        for (int i = 0; i < 6; i++) {
            assertThat(readers.get(i).events.poll(30, TimeUnit.SECONDS)).isNotNull();
            if (i % 2 == 0) {
                generations.get(i).close();
                generations.get(i).close();
            } else {
                readers.get(i).subscription().cancel();
            }
        }
        for (int i = 0; i < 6; i++) {
            Usage usage = usage(generations.get(i));
            assertThat(usage.promptTokens()).isEqualTo(3);
            assertThat(usage.completionTokens()).isBetween(1, 150);
        }
        EngineStats stats = engine.stats();
        assertThat(stats.kvBlocksFree()).isEqualTo(50);
        assertThat(stats.running()).isZero();
    }

    @Test
    void closingFailsWhatRunsAndRefusesWhatComes() throws Exception {
        HashModel model = new HashModel(50);
        CountDownLatch gate = new CountDownLatch(1);
        model.loadGate = gate;
        EngineLoop engine = engine(model);
        Generation waits =
                engine.submit(request("w", ids(3), adapter(1, "a"), SamplingParams.greedy(5)));
        Reader reader = read(waits);
        Thread closing = Thread.ofVirtual().start(engine::close);
        assertThat(reader.end())
                .isEqualTo(
                        new GenerationEvent.Failed("the server is shutting down", new Usage(0, 0)));
        assertThat(usage(waits)).isEqualTo(new Usage(0, 0));
        assertThatThrownBy(
                        () -> engine.submit(request("x", ids(3), null, SamplingParams.greedy(5))))
                .isInstanceOf(EngineOverloaded.class)
                .hasMessage("the server is shutting down");
        assertThat(model.closed).as("the device is freed before the load ends").isFalse();
        gate.countDown();
        closing.join();
        assertThat(model.closed).isTrue();
        engine.close();
    }

    @Test
    void aFailedStepFailsItsSequencesAndTheLoopGoesOn() throws Exception {
        HashModel model = new HashModel(100);
        EngineLoop engine = engine(model);
        model.failingPosition = 150;
        Reader failing =
                read(engine.submit(request("f", ids(140), null, SamplingParams.greedy(40))));
        assertThat(failing.end())
                .isEqualTo(
                        new GenerationEvent.Failed(
                                "the engine failed while it computed this generation",
                                new Usage(140, 11)));
        Reader fine = read(engine.submit(request("g", ids(3), null, SamplingParams.greedy(40))));
        assertThat(fine.end()).isInstanceOf(GenerationEvent.Finished.class);
        assertThat(engine.stats().kvBlocksFree()).isEqualTo(100);
    }

    @Test
    void aColdAdapterStallsNobodyAndABadOneSaysWhy() throws Exception {
        HashModel model = new HashModel(100);
        CountDownLatch gate = new CountDownLatch(1);
        model.loadGate = gate;
        EngineLoop engine = engine(model);
        Reader cold =
                read(
                        engine.submit(
                                request("c", ids(3), adapter(1, "a"), SamplingParams.greedy(9))));
        Reader refused =
                read(
                        engine.submit(
                                request(
                                        "r",
                                        ids(3),
                                        adapter(2, "refused"),
                                        SamplingParams.greedy(9))));
        Reader broken =
                read(
                        engine.submit(
                                request(
                                        "u",
                                        ids(3),
                                        adapter(3, "unreadable"),
                                        SamplingParams.greedy(9))));
        Reader huge =
                read(
                        engine.submit(
                                request(
                                        "h",
                                        ids(3),
                                        adapter(4, "huge"),
                                        SamplingParams.greedy(9))));
        Reader base = read(engine.submit(request("b", ids(3), null, SamplingParams.greedy(9))));
        assertThat(base.end()).isInstanceOf(GenerationEvent.Finished.class);
        assertThat(cold.events).isEmpty();
        gate.countDown();
        assertThat(cold.end()).isInstanceOf(GenerationEvent.Finished.class);
        assertThat(refused.end())
                .isEqualTo(
                        new GenerationEvent.Failed(
                                "the adapter was refused: r must be at most 64", new Usage(0, 0)));
        assertThat(broken.end())
                .isEqualTo(
                        new GenerationEvent.Failed(
                                "the adapter could not be loaded", new Usage(0, 0)));
        assertThat(huge.end())
                .isEqualTo(
                        new GenerationEvent.Failed(
                                "the adapter takes 2000 bytes of the device's memory; all adapters"
                                        + " together may take 1000",
                                new Usage(0, 0)));
    }

    @Test
    void badRequestsAreRefusedByName() throws Exception {
        HashModel model = new HashModel(20);
        EngineLoop engine = engine(model, new EngineSettings(48, 2, 2, 0, 1_000, 1));
        assertThatThrownBy(() ->
                        engine.submit(request("x", ids(100), null, SamplingParams.greedy(61))))
                .isInstanceOfSatisfying(
                        ContextOverflow.class,
                        overflow -> {
                            // 20 blocks of 8 are fewer than the model's 200
                            assertThat(overflow.contextLength()).isEqualTo(160);
                            assertThat(engine.model().contextLength()).isEqualTo(160);
                            assertThat(overflow.promptTokens()).isEqualTo(100);
                            assertThat(overflow.maxTokens()).isEqualTo(61);
                        });
        assertThatThrownBy(() ->
                        engine.submit(
                                request("x", new int[] {5, 4096}, null, SamplingParams.greedy(1))))
                .hasMessage("prompt: the id 4096 at position 1 is not in the vocabulary of 4096");
        assertThatThrownBy(() ->
                        engine.submit(request("x", ids(2), null, stop(2, List.of(), Set.of(-1)))))
                .hasMessage("stopIds: -1 is not in the vocabulary of 4096");
        assertThatThrownBy(() ->
                        engine.submit(request("x", new int[0], null, SamplingParams.greedy(1))))
                .hasMessageContaining("prompt must have at least one token");
        CountDownLatch gate = new CountDownLatch(1);
        model.loadGate = gate;
        Generation first =
                engine.submit(request("1", ids(3), adapter(1, "a"), SamplingParams.greedy(3)));
        assertThatThrownBy(
                        () -> engine.submit(request("1", ids(3), null, SamplingParams.greedy(3))))
                .hasMessage("id 1 is that of a running generation");
        Generation second =
                engine.submit(request("2", ids(3), adapter(1, "a"), SamplingParams.greedy(3)));
        assertThatThrownBy(
                        () -> engine.submit(request("3", ids(3), null, SamplingParams.greedy(3))))
                .isInstanceOf(EngineOverloaded.class)
                .hasMessageContaining("2 sequences wait already");
        second.close();
        usage(second);
        Generation third = engine.submit(request("3", ids(3), null, SamplingParams.greedy(3)));
        gate.countDown();
        assertThat(usage(first)).isEqualTo(new Usage(3, 3));
        assertThat(usage(third)).isEqualTo(new Usage(3, 3));
        assertThat(usage(second)).isEqualTo(new Usage(0, 0));
    }

    @Test
    void tokenizesPromptsAndConversations() throws Exception {
        EngineLoop engine = engine(new HashModel(20));
        assertThat(engine.tokenize("It was a dark evening when"))
                .containsExactly(1, 876, 324, 265, 1134, 1559, 501);
        int[] chat = engine.tokenize(List.of(new ChatMessage("user", "Hi")));
        assertThat(chat).startsWith(1, 4).doesNotContain(2);
        assertThat(engine.model().name()).isEqualTo("hash");
    }
}
