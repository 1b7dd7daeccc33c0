package dev.aril.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EngineLoopTest {
    private final List<EngineLoop> engines = new ArrayList<>();

    @AfterEach
    void closeEngines() {
        engines.forEach(EngineLoop::close);
    }

    private EngineLoop engine(HashModel model, EngineSettings settings) throws IOException {
        RunnerSource none =
                blocks -> {
                    throw new IOException("there is no other device");
                };
        EngineLoop engine = HashModel.engine(model, none, settings).begin();
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

    private static EventReader read(Generation generation) {
        EventReader reader = new EventReader(Long.MAX_VALUE);
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
        List<EventReader> readers = new ArrayList<>();
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
        EventReader reader = read(generation);
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
        EngineStats stats = engine.stats();
        assertThat(stats.completionTokens()).isEqualTo(usage.completionTokens());
        assertThat(stats.steps().getFirst())
                .as("a step for the prompt, whose end is the first id, and one for each further id")
                .isEqualTo(usage.completionTokens());
        assertThat(stats.hostNanos()).isPositive();
        assertThat(stats.deviceNanos()).isPositive();
    }

    /** The model then says exactly this, and ends. */
    private static void script(HashModel model, int promptLength, int[] answer) {
        model.script =
                last -> {
                    int at = last + 1 - promptLength;
                    return at < answer.length ? answer[at] : HashModel.EOS;
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
        EventReader byId =
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
        EventReader all =
                read(engine.submit(request("3", ids(4), null, SamplingParams.greedy(100))));
        assertThat(all.text()).isEqualTo("The end.\n\nUser: and so on");
        SamplingParams goesOn =
                new SamplingParams(
                        answer.length + 5, 0, 1, 0, 0, null, 1, 0, 0, List.of(), Set.of(), true);
        EventReader ignoring = read(engine.submit(request("4", ids(4), null, goesOn)));
        assertThat(ignoring.end())
                .isEqualTo(
                        new GenerationEvent.Finished(
                                FinishReason.LENGTH, new Usage(4, answer.length + 5)));
        EventReader held =
                read(
                        engine.submit(
                                request(
                                        "5",
                                        ids(4),
                                        null,
                                        stop(100, List.of("on and on"), Set.of()))));
        assertThat(held.text()).isEqualTo("The end.\n\nUser: and so on");
        int counted = 0;
        for (EventReader reader : List.of(byId, all, ignoring, held)) {
            GenerationEvent.Finished end = (GenerationEvent.Finished) reader.end();
            counted += end.usage().completionTokens();
        }
        assertThat(engine.stats().completionTokens())
                .as("an id that was sampled beside the end of a text is no one's")
                .isEqualTo(counted + usage(stopped).completionTokens());
    }

    @Test
    void aSlowSubscriberHoldsUpNobodyAndGetsWhatItAsksFor() throws Exception {
        EngineLoop engine = engine(new HashModel(100));
        Generation slow = engine.submit(request("slow", ids(3), null, SamplingParams.greedy(50)));
        EventReader reader = new EventReader(0);
        slow.subscribe(reader);
        EventReader other =
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
        EventReader second = read(slow);
        second.all();
        assertThat(second.error).hasMessageContaining("one subscriber only");
    }

    @Test
    void aSubscriberThatAsksForNothingSensibleHearsSo() throws Exception {
        EngineLoop engine = engine(new HashModel(100));
        Generation generation =
                engine.submit(request("g", ids(3), null, SamplingParams.greedy(150)));
        EventReader reader = new EventReader(-1);
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
        List<EventReader> readers = new ArrayList<>();
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
        EventReader reader = read(waits);
        assertThat(model.loading.await(30, TimeUnit.SECONDS)).isTrue();
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
        model.failAt(150);
        EventReader failing =
                read(engine.submit(request("f", ids(140), null, SamplingParams.greedy(40))));
        assertThat(failing.end())
                .isEqualTo(
                        new GenerationEvent.Failed(
                                "the engine failed while it computed this generation",
                                new Usage(140, 11)));
        EventReader fine =
                read(engine.submit(request("g", ids(3), null, SamplingParams.greedy(40))));
        assertThat(fine.end()).isInstanceOf(GenerationEvent.Finished.class);
        assertThat(engine.stats().kvBlocksFree()).isEqualTo(100);
    }

    @Test
    void aColdAdapterStallsNobodyAndABadOneSaysWhy() throws Exception {
        HashModel model = new HashModel(100);
        CountDownLatch gate = new CountDownLatch(1);
        model.loadGate = gate;
        EngineLoop engine = engine(model);
        EventReader cold =
                read(
                        engine.submit(
                                request("c", ids(3), adapter(1, "a"), SamplingParams.greedy(9))));
        EventReader refused =
                read(
                        engine.submit(
                                request(
                                        "r",
                                        ids(3),
                                        adapter(2, "refused"),
                                        SamplingParams.greedy(9))));
        EventReader broken =
                read(
                        engine.submit(
                                request(
                                        "u",
                                        ids(3),
                                        adapter(3, "unreadable"),
                                        SamplingParams.greedy(9))));
        EventReader huge =
                read(
                        engine.submit(
                                request(
                                        "h",
                                        ids(3),
                                        adapter(4, "huge"),
                                        SamplingParams.greedy(9))));
        EventReader base =
                read(engine.submit(request("b", ids(3), null, SamplingParams.greedy(9))));
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

    private static SamplingParams scored(
            int maxTokens, Map<Integer, Float> bias, @Nullable Integer top, boolean prompt) {
        return new SamplingParams(
                maxTokens, 0, 1, 0, 0, null, 1, 0, 0, List.of(), Set.of(), false, bias, top,
                prompt);
    }

    @Test
    void everyIdComesWithItsLogprobs() throws Exception {
        HashModel model = new HashModel(100);
        EngineLoop engine = engine(model);
        List<GenerationEvent> events =
                read(engine.submit(request("a", ids(5), null, scored(9, Map.of(), 3, false))))
                        .all();
        List<TokenLogprobs> told = new ArrayList<>();
        for (GenerationEvent event : events) {
            if (event instanceof GenerationEvent.Text text) {
                assertThat(text.logprobs()).hasSize(text.tokens());
                told.addAll(text.logprobs());
            }
        }
        assertThat(told).hasSize(9);
        // one logit is 10, the others are 0
        double norm = Math.log(Math.exp(10) + HashModel.VOCABULARY - 1);
        for (TokenLogprobs one : told) {
            assertThat((double) one.logprob()).isCloseTo(10 - norm, within(1e-5));
            assertThat(one.topIds()).hasSize(3);
            assertThat(one.topIds()[0]).isEqualTo(one.id());
            assertThat((double) one.topLogprobs()[1]).isCloseTo(-norm, within(1e-5));
        }
        // a neighbour that asks for none gets none
        assertThat(read(engine.submit(request("b", ids(5), null, SamplingParams.greedy(9)))).all())
                .filteredOn(GenerationEvent.Text.class::isInstance)
                .allMatch(event -> ((GenerationEvent.Text) event).logprobs().isEmpty());
    }

    @Test
    void thePromptsLogprobsAreThoseOfItsIdsWhateverTheChunks() throws Exception {
        int[] prompt = ids(120);
        List<List<Float>> told = new ArrayList<>();
        for (int blocks : new int[] {100, 26}) {
            EngineLoop engine = engine(new HashModel(blocks));
            // others that take rows, and with few blocks take them away again
            List<EventReader> others = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                others.add(
                        read(
                                engine.submit(
                                        request(
                                                "o" + i,
                                                ids(40 + i),
                                                null,
                                                SamplingParams.greedy(30)))));
            }
            List<GenerationEvent> events =
                    read(engine.submit(request("p", prompt, null, scored(3, Map.of(), 2, true))))
                            .all();
            GenerationEvent.Prompt first = (GenerationEvent.Prompt) events.getFirst();
            assertThat(first.tokens().stream().mapToInt(TokenLogprobs::id))
                    .containsExactly(IntStream.of(prompt).boxed().toArray(Integer[]::new));
            assertThat(first.tokens().getFirst().logprob()).isNaN();
            assertThat(first.tokens().subList(1, 120))
                    .allMatch(token -> token.logprob() < 0 && token.topIds().length == 2);
            told.add(first.tokens().subList(1, 120).stream().map(TokenLogprobs::logprob).toList());
            assertThat(events.stream().filter(GenerationEvent.Prompt.class::isInstance)).hasSize(1);
            assertThat(((GenerationEvent.Finished) events.getLast()).usage())
                    .isEqualTo(new Usage(120, 3));
            for (EventReader other : others) {
                assertThat(other.end()).isInstanceOf(GenerationEvent.Finished.class);
            }
        }
        assertThat(told.get(1)).isEqualTo(told.get(0));
    }

    @Test
    void aPromptMayBeAllThatIsComputed() throws Exception {
        EngineLoop engine = engine(new HashModel(100));
        List<GenerationEvent> events =
                read(engine.submit(request("p", ids(100), null, scored(0, Map.of(), 0, true))))
                        .all();
        assertThat(events).hasSize(2);
        assertThat(((GenerationEvent.Prompt) events.getFirst()).tokens()).hasSize(100);
        assertThat(events.getLast())
                .isEqualTo(new GenerationEvent.Finished(FinishReason.LENGTH, new Usage(100, 0)));
        assertThat(engine.stats().completionTokens()).isZero();
        assertThat(engine.stats().kvBlocksFree()).isEqualTo(100);
    }

    @Test
    void biasesMoveTheChoiceAndNotTheLogprobs() throws Exception {
        EngineLoop engine = engine(new HashModel(100));
        List<GenerationEvent> events =
                read(engine.submit(
                                request(
                                        "b",
                                        ids(5),
                                        null,
                                        scored(4, Map.of(99, 10.5f, 98, -100f), 1, false))))
                        .all();
        double norm = Math.log(Math.exp(10) + HashModel.VOCABULARY - 1);
        List<TokenLogprobs> told =
                events.stream()
                        .filter(GenerationEvent.Text.class::isInstance)
                        .flatMap(event -> ((GenerationEvent.Text) event).logprobs().stream())
                        .toList();
        assertThat(told).hasSize(4).allMatch(token -> token.id() == 99);
        for (TokenLogprobs one : told) {
            assertThat((double) one.logprob()).isCloseTo(-norm, within(1e-5));
            assertThat(one.topIds()[0]).isNotEqualTo(99);
        }
        assertThatThrownBy(() ->
                        engine.submit(
                                request(
                                        "c",
                                        ids(5),
                                        null,
                                        scored(4, Map.of(5000, 1f), null, false))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("logitBias: 5000 is not in the vocabulary of 4096");
    }

    @Test
    void answersToOnePromptHaveSeedsOfTheirOwn() {
        SamplingParams params =
                new SamplingParams(1, 1, 1, 0, 0, 7L, 1, 0, 0, List.of(), Set.of(), false);
        assertThat(params.answer(0)).isEqualTo(params);
        assertThat(IntStream.range(0, 128).mapToObj(i -> params.answer(i).seed()).distinct())
                .hasSize(128);
        assertThat(SamplingParams.greedy(1).answer(5).seed()).isNull();
    }
}
