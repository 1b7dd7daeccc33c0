package dev.aril.engine;

import dev.aril.engine.kernels.Draw;
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
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Prints what the host takes for a decode step, on a device whose steps cost nothing, or that
 * sleeps: JSON lines. {@code hostMicros} is the time between two steps, {@code stepMicros} that of
 * a whole turn, with text and events, which a device's step hides. A program, not a test.
 */
final class HostTime {
    private static final Path NOVELLA = Path.of("..", "models", "novella-11m");
    private static final int VOCABULARY = 4096;
    private static final int PROMPT = 256;
    private static final int TOKENS = 3_000;
    private static final int CONTEXT = 4096;
    private static final int ROUNDS = 6;

    /** Samples ids that are words. */
    private static final class Costless implements StepRunner {
        private int[] ids = {};
        private final List<Draw> draws = new ArrayList<>();
        private int next;

        /** Loads of later adapters never end. */
        final int warmAdapters;

        private final CountDownLatch cold = new CountDownLatch(1);

        private final int deviceMicros;

        Costless(int warmAdapters, int deviceMicros) {
            this.warmAdapters = warmAdapters;
            this.deviceMicros = deviceMicros;
        }

        @Override
        public void launch(Batch batch) {
            // what a launch asks of the books
            draws.clear();
            for (Span span : batch.spans()) {
                if (span.samples()) {
                    draws.add(Draws.of(span.sequence()));
                }
            }
            ids = new int[draws.size()];
            for (int i = 0; i < ids.length; i++) {
                next = (next + 7) % (VOCABULARY - 300);
                ids[i] = 300 + next;
            }
        }

        @Override
        public int[] await() {
            if (deviceMicros > 0) {
                LockSupport.parkNanos(deviceMicros * 1_000L);
            }
            return ids;
        }

        @Override
        public @Nullable TokenLogprobs[] logprobs() {
            return new TokenLogprobs[0];
        }

        @Override
        public long loadAdapter(AdapterRef adapter, int slot) throws IOException {
            if (Integer.parseInt(adapter.digest(), 16) >= warmAdapters) {
                try {
                    cold.await();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
            }
            return 1;
        }

        @Override
        public void evictAdapter(int slot) {}

        @Override
        public int kvBlocks() {
            return 256 * CONTEXT / kvBlockTokens();
        }

        @Override
        public int kvBlockTokens() {
            return 16;
        }

        @Override
        public int adapterSlots() {
            return 1024;
        }

        @Override
        public void close() {}
    }

    private HostTime() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        for (int round = 0; round < ROUNDS; round++) {
            for (int streams : new int[] {1, 16, 64, 256}) {
                measure(streams, 0, 0, false, 0);
            }
            measure(64, 64, 0, false, 0);
            measure(64, 64, 900, false, 0);
            measure(64, 0, 0, true, 0);
            measure(64, 64, 0, false, 2_000);
        }
    }

    /**
     * @param adapters different ones among the streams
     * @param waiting further sequences, each for a cold adapter of its own
     * @param penalties whether the streams have them
     */
    private static void measure(
            int streams, int adapters, int waiting, boolean penalties, int deviceMicros)
            throws IOException, InterruptedException {
        ModelConfig config =
                new ModelConfig(
                        384,
                        1024,
                        6,
                        6,
                        2,
                        64,
                        VOCABULARY,
                        CONTEXT,
                        10_000,
                        1e-5f,
                        true,
                        1,
                        Set.of(2));
        Costless runner = new Costless(adapters, deviceMicros);
        EngineLoop engine =
                new EngineLoop(
                        new ModelCard("costless", "bf16", CONTEXT, VOCABULARY, 0),
                        config,
                        Tokenizer.open(NOVELLA),
                        ChatTemplate.open(NOVELLA),
                        runner,
                        blocks -> runner,
                        new EngineSettings(2048, 256, 1024, 0, 1_000, 1),
                        folder -> new AdapterSummary("0".repeat(64), 8, List.of(), 1));
        CountDownLatch ended = new CountDownLatch(streams);
        List<Generation> cold = new ArrayList<>();
        for (int i = 0; i < streams; i++) {
            AdapterRef adapter = i < adapters ? adapter(i) : null;
            read(engine.submit(request(i, adapter, penalties)), ended);
        }
        engine.begin();
        while (engine.stats().running() < streams) {
            Thread.sleep(1);
        }
        for (int i = 0; i < waiting; i++) {
            cold.add(engine.submit(request(streams + i, adapter(adapters + i), false)));
        }
        EngineStats before = engine.stats();
        long start = System.nanoTime();
        ended.await();
        long wall = System.nanoTime() - start;
        EngineStats after = engine.stats();
        cold.forEach(Generation::close);
        runner.cold.countDown();
        engine.close();
        double steps = steps(after) - steps(before);
        System.out.printf(
                Locale.ROOT,
                "{\"what\":\"host\",\"rows\":%d,\"distinctAdapters\":%d,\"waiting\":%d,"
                        + "\"penalties\":%b,\"deviceMicros\":%d,\"steps\":%.0f,\"hostMicros\":%.1f,\"stepMicros\":%.1f}%n",
                streams,
                adapters,
                waiting,
                penalties,
                deviceMicros,
                steps,
                (after.hostNanos() - before.hostNanos()) / steps / 1e3,
                wall / steps / 1e3);
    }

    private static long steps(EngineStats stats) {
        return stats.steps().stream().mapToLong(n -> n).sum();
    }

    private static AdapterRef adapter(int number) {
        return new AdapterRef(String.format("%064x", number), Path.of("a"));
    }

    private static GenerationRequest request(
            int number, @Nullable AdapterRef adapter, boolean penalties) {
        int[] prompt = new int[PROMPT];
        Arrays.setAll(prompt, i -> 300 + (number * 31 + i * 7) % 3000);
        return new GenerationRequest(
                "r" + number,
                "flow" + number % 8,
                prompt,
                adapter,
                new SamplingParams(
                        TOKENS,
                        0,
                        1,
                        0,
                        0,
                        null,
                        penalties ? 1.1 : 1,
                        0,
                        0,
                        List.of("never said"),
                        Set.of(),
                        true));
    }

    private static void read(Generation generation, CountDownLatch ended) {
        generation.subscribe(
                new Flow.Subscriber<>() {
                    @Override
                    public void onSubscribe(Flow.Subscription subscription) {
                        subscription.request(Long.MAX_VALUE);
                    }

                    @Override
                    public void onNext(GenerationEvent event) {}

                    @Override
                    public void onError(Throwable error) {
                        ended.countDown();
                    }

                    @Override
                    public void onComplete() {
                        ended.countDown();
                    }
                });
    }
}
