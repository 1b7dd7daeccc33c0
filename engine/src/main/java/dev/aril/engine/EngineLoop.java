package dev.aril.engine;

import dev.aril.cuda.CudaException;
import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.ReferenceKernels;
import dev.aril.engine.kernels.Sampler;
import dev.aril.engine.model.Draws;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.model.PeftAdapter;
import dev.aril.engine.model.StepRunner;
import dev.aril.engine.schedule.AdapterLoader;
import dev.aril.engine.schedule.Batch;
import dev.aril.engine.schedule.KvBlocks;
import dev.aril.engine.schedule.ResidentAdapters;
import dev.aril.engine.schedule.Scheduler;
import dev.aril.engine.schedule.Sequence;
import dev.aril.engine.schedule.Span;
import dev.aril.engine.text.ChatTemplate;
import dev.aril.engine.text.StopStrings;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that owns the device, and the way in. Nothing else touches the scheduler's books
 * or runs a step; what others want of it waits in the inbox until the step is over.
 */
final class EngineLoop implements Engine {
    private static final Logger LOG = LoggerFactory.getLogger(EngineLoop.class);

    /** Steps are counted by their number of adapters, up to this many or more. */
    private static final int MOST_ADAPTERS_COUNTED = 4;

    private static final String CLOSING = "the server is shutting down";

    /** Reads an adapter's files whole and checks them. */
    @FunctionalInterface
    interface Verifier {
        AdapterSummary verify(Path folder) throws AdapterRejected;
    }

    private final ModelCard card;
    private final ModelConfig config;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final StepRunner runner;
    private final Verifier verifier;
    private final LongSupplier seeds;
    private final int contextLength;

    private final KvBlocks blocks;
    private final ResidentAdapters adapters;
    private final Scheduler scheduler;
    private final Sampler sampler;

    private final Thread thread = new Thread(this::loop, "engine");
    private final ExecutorService loader =
            Executors.newSingleThreadExecutor(Thread.ofVirtual().name("adapter-loader").factory());
    private final BlockingQueue<Runnable> inbox = new LinkedBlockingQueue<>();

    /** Submitted and not ended, by id. */
    private final Map<String, RunningGeneration> generations = new ConcurrentHashMap<>();

    /** Places in the queue. */
    private final Semaphore places;

    private final int maxWaiting;
    private final long[] steps = new long[MOST_ADAPTERS_COUNTED + 1];
    private long promptTokens;
    private long completionTokens;
    private volatile EngineStats stats;

    /** Guards the moment from which on the inbox takes no more sequences. */
    private final Object door = new Object();

    private boolean closed;
    private boolean released;
    private boolean stopping;
    private boolean warming = true;

    EngineLoop(
            ModelCard card,
            ModelConfig config,
            Tokenizer tokenizer,
            ChatTemplate template,
            StepRunner runner,
            EngineSettings settings,
            Verifier verifier) {
        this(
                card,
                config,
                tokenizer,
                template,
                runner,
                settings,
                verifier,
                new SecureRandom()::nextLong);
    }

    /**
     * @param runner closed with this engine, as is the tokenizer
     * @param seeds of requests that bring none
     */
    EngineLoop(
            ModelCard card,
            ModelConfig config,
            Tokenizer tokenizer,
            ChatTemplate template,
            StepRunner runner,
            EngineSettings settings,
            Verifier verifier,
            LongSupplier seeds) {
        this.config = config;
        this.tokenizer = tokenizer;
        this.template = template;
        this.runner = runner;
        this.verifier = verifier;
        this.seeds = seeds;
        this.blocks = new KvBlocks(runner.kvBlocks(), runner.kvBlockTokens());
        this.contextLength = (int) Math.min(card.contextLength(), blocks.positions());
        // what clients are told is what they can have
        this.card = card.withContextLength(contextLength);
        this.adapters =
                new ResidentAdapters(runner.adapterSlots(), settings.adapterBytes(), new Shelf());
        this.scheduler =
                new Scheduler(settings.tokenBudget(), settings.maxSequences(), blocks, adapters);
        this.sampler = new Sampler(config.vocabulary());
        if (settings.maxWaiting() < 1) {
            throw new IllegalArgumentException(
                    "maxWaiting must be at least 1, not " + settings.maxWaiting());
        }
        this.maxWaiting = settings.maxWaiting();
        this.places = new Semaphore(maxWaiting);
        this.stats = snapshot();
    }

    /** On the GPU where this process can use one and it takes the model, or else on the CPU. */
    static Engine start(Path modelDirectory, EngineSettings settings) throws IOException {
        Optional<String> reason = CudaKernels.unusable();
        if (reason.isEmpty()) {
            try {
                return start(modelDirectory, settings, Device.CUDA);
            } catch (IllegalArgumentException | OutOfDeviceMemory | CudaException e) {
                LOG.warn("the GPU does not take this model", e);
                reason = Optional.of(String.valueOf(e.getMessage()));
            }
        }
        LOG.info("no GPU is used: {}", reason.orElseThrow());
        return start(modelDirectory, settings, Device.CPU);
    }

    static Engine start(Path modelDirectory, EngineSettings settings, Device device)
            throws IOException {
        Tokenizer tokenizer = Tokenizer.open(modelDirectory);
        Kernels kernels = null;
        try (ModelFiles files = ModelFiles.open(modelDirectory)) {
            kernels = kernels(device, settings);
            Forward forward =
                    new Forward(files, kernels, settings.tokenBudget(), settings.kvBytes());
            LOG.info("{} runs on the {}", files.card().name(), forward.device());
            return new EngineLoop(
                            files.card(),
                            files.config(),
                            tokenizer,
                            ChatTemplate.open(modelDirectory),
                            forward,
                            settings,
                            folder -> verify(folder, files.config()))
                    .begin();
        } catch (IOException | RuntimeException e) {
            tokenizer.close();
            if (kernels != null) {
                kernels.close();
            }
            throw e;
        }
    }

    private static Kernels kernels(Device device, EngineSettings settings) {
        return switch (device) {
            case CUDA -> new CudaKernels(0);
            case CPU -> new CpuKernels(settings.threads());
            case REFERENCE -> new ReferenceKernels();
        };
    }

    private static AdapterSummary verify(Path folder, ModelConfig config) throws AdapterRejected {
        try (PeftAdapter adapter = PeftAdapter.read(folder, config)) {
            return adapter.summary();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Starts the thread. */
    EngineLoop begin() {
        thread.setDaemon(true);
        thread.start();
        return this;
    }

    @Override
    public ModelCard model() {
        return card;
    }

    @Override
    public int[] tokenize(String text) {
        int[] ids = tokenizer.encode(text);
        return config.bosId() < 0
                ? ids
                : IntStream.concat(IntStream.of(config.bosId()), IntStream.of(ids)).toArray();
    }

    @Override
    public int[] tokenize(List<ChatMessage> messages) {
        return tokenizer.encode(template.render(messages, true));
    }

    @Override
    public AdapterSummary verify(Path folder) throws AdapterRejected {
        return verifier.verify(folder);
    }

    @Override
    public EngineStats stats() {
        return stats;
    }

    @Override
    public boolean accepts() {
        synchronized (door) {
            return !closed && thread.isAlive();
        }
    }

    @Override
    public Generation submit(GenerationRequest request) {
        RunningGeneration generation = check(request);
        if (!places.tryAcquire()) {
            throw new EngineOverloaded(
                    maxWaiting + " sequences wait already, as many as the engine takes");
        }
        synchronized (door) {
            if (closed) {
                throw new EngineOverloaded(CLOSING);
            }
            if (generations.putIfAbsent(generation.id(), generation) != null) {
                places.release();
                throw new IllegalArgumentException(
                        "id " + generation.id() + " is that of a running generation");
            }
            inbox.add(() -> scheduler.admit(generation.sequence()));
        }
        return generation;
    }

    private RunningGeneration check(GenerationRequest request) {
        SamplingParams sampling = request.sampling();
        int[] prompt = request.prompt();
        for (int i = 0; i < prompt.length; i++) {
            if (prompt[i] < 0 || prompt[i] >= config.vocabulary()) {
                throw new IllegalArgumentException(
                        "prompt: the id "
                                + prompt[i]
                                + " at position "
                                + i
                                + " is not in the vocabulary of "
                                + config.vocabulary());
            }
        }
        for (int id : sampling.stopIds()) {
            if (id < 0 || id >= config.vocabulary()) {
                throw new IllegalArgumentException(
                        "stopIds: " + id + " is not in the vocabulary of " + config.vocabulary());
            }
        }
        if ((long) prompt.length + sampling.maxTokens() > contextLength) {
            throw new ContextOverflow(contextLength, prompt.length, sampling.maxTokens());
        }
        if (request.adapter() != null && runner.adapterSlots() < 1) {
            throw new IllegalArgumentException(
                    "adapter: this engine was started without room for adapters");
        }
        Long seed = sampling.seed();
        Sequence sequence =
                new Sequence(
                        request.id(),
                        request.flow(),
                        prompt,
                        request.adapter(),
                        sampling,
                        seed == null ? seeds.getAsLong() : seed);
        Transcript transcript =
                new Transcript(tokenizer.detokenizer(prompt), new StopStrings(sampling.stop()));
        return new RunningGeneration(
                sequence,
                transcript,
                cancelled -> inbox.add(() -> fail(cancelled, "the generation was cancelled")),
                Thread::startVirtualThread);
    }

    private void loop() {
        String reason = CLOSING;
        try {
            while (!stopping) {
                for (Runnable message = inbox.poll(); message != null; message = inbox.poll()) {
                    message.run();
                }
                Batch batch = scheduler.next();
                stats = snapshot();
                if (!batch.isEmpty()) {
                    step(batch);
                } else if (!stopping) {
                    await();
                }
            }
        } catch (InterruptedException e) {
            LOG.warn("the engine's thread was interrupted; it shuts down");
        } catch (RuntimeException | Error e) {
            LOG.error("the engine stops: its books are broken", e);
            reason = "the engine stopped after an internal error";
        } finally {
            synchronized (door) {
                closed = true;
            }
            for (RunningGeneration generation : List.copyOf(generations.values())) {
                last(generation, reason);
            }
        }
    }

    /** Runs the next message; while none comes, readies the device for what will. */
    private void await() throws InterruptedException {
        // at first the processor belongs to the rest of the server's start
        Runnable message = warming ? inbox.poll(3, TimeUnit.SECONDS) : inbox.take();
        while (message == null) {
            warming = runner.warmUp();
            message = warming ? inbox.poll() : inbox.take();
        }
        message.run();
    }

    private void step(Batch batch) {
        List<RunningGeneration> members = new ArrayList<>(batch.spans().size());
        for (Span span : batch.spans()) {
            RunningGeneration generation = generation(span.sequence());
            members.add(generation);
            if (generation.start()) {
                places.release();
            }
        }
        int[] sampled;
        try {
            sampled = sample(batch, members, runner.run(batch));
        } catch (RuntimeException | Error e) {
            LOG.error("a step of {} rows failed", batch.rows(), e);
            for (RunningGeneration generation : members) {
                fail(generation, "the engine failed while it computed this generation");
            }
            return;
        }
        scheduler.commit(batch, sampled);
        count(batch);
        List<Runnable> events = new ArrayList<>();
        int next = 0;
        for (int i = 0; i < members.size(); i++) {
            if (batch.spans().get(i).samples()) {
                advance(members.get(i), sampled[next++], events);
            }
        }
        // first the books, then the news: who hears of an end finds it in the statistics
        stats = snapshot();
        events.forEach(Runnable::run);
    }

    private int[] sample(Batch batch, List<RunningGeneration> members, float[] logits) {
        int[] sampled = new int[batch.samples()];
        int next = 0;
        for (int i = 0; i < members.size(); i++) {
            if (batch.spans().get(i).samples()) {
                int at = next * config.vocabulary();
                int id = sampler.sample(logits, at, Draws.of(members.get(i).sequence()));
                if (id == Sampler.DIVERGED) {
                    fail(members.get(i), "the model diverged: its logits have no highest");
                    id = 0; // nobody reads it
                }
                sampled[next++] = id;
            }
        }
        return sampled;
    }

    /** Turns a sampled id into events, and ends the generation where it is to end. */
    private void advance(RunningGeneration generation, int id, List<Runnable> events) {
        if (generation.ended()) {
            return;
        }
        Sequence sequence = generation.sequence();
        SamplingParams sampling = sequence.sampling();
        Transcript transcript = generation.transcript();
        boolean stopId =
                sampling.stopIds().contains(id)
                        || (config.eosIds().contains(id) && !sampling.ignoreEos());
        GenerationEvent.Text text = null;
        if (stopId) {
            transcript.skip();
        } else {
            text = transcript.accept(id);
        }
        boolean full =
                sequence.completionLength() == sampling.maxTokens()
                        || sequence.length() == contextLength;
        GenerationEvent.Text now = text;
        events.add(() -> generation.emit(now));
        if (stopId || transcript.stopped() || full) {
            GenerationEvent.Text rest = transcript.stopped() ? null : transcript.finish();
            FinishReason reason =
                    stopId || transcript.stopped() ? FinishReason.STOP : FinishReason.LENGTH;
            release(generation);
            events.add(() -> generation.emit(rest));
            events.add(() -> generation.finish(reason));
        }
    }

    private void fail(RunningGeneration generation, String message) {
        if (!generation.ended()) {
            release(generation);
            stats = snapshot();
            generation.fail(message);
        }
    }

    /** Fails a generation even if the books cannot let go of it any more. */
    private void last(RunningGeneration generation, String message) {
        try {
            fail(generation, message);
        } catch (RuntimeException e) {
            LOG.error("{} could not be released", generation.id(), e);
            generation.fail(message);
        }
    }

    /** Lets go of a generation's blocks, adapter and name. */
    private void release(RunningGeneration generation) {
        scheduler.end(generation.sequence());
        generations.remove(generation.id());
        if (!generation.started()) {
            places.release();
        }
    }

    private RunningGeneration generation(Sequence sequence) {
        RunningGeneration generation = generations.get(sequence.id());
        if (generation == null) {
            throw new IllegalStateException(sequence + " runs and is no generation");
        }
        return generation;
    }

    private void count(Batch batch) {
        steps[Math.min(batch.segments().count(), MOST_ADAPTERS_COUNTED)]++;
        completionTokens += batch.samples();
        for (int row = 0; row < batch.rows(); row++) {
            Sequence sequence = batch.spans().get(batch.spanOfRow()[row]).sequence();
            if (batch.position(row) < sequence.promptLength()) {
                promptTokens++;
            }
        }
    }

    private EngineStats snapshot() {
        return new EngineStats(
                Arrays.stream(steps).boxed().toList(),
                promptTokens,
                completionTokens,
                scheduler.waiting(),
                scheduler.running(),
                blocks.count(),
                blocks.free(),
                blocks.blockTokens(),
                adapters.digests(),
                adapters.bytes());
    }

    @Override
    public void close() {
        synchronized (door) {
            if (released) {
                return;
            }
            released = true;
            closed = true;
        }
        inbox.add(() -> stopping = true);
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        // a load still under way ends first
        loader.close();
        runner.close();
        tokenizer.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Loads adapters beside the steps; the outcome comes back through the inbox. */
    private final class Shelf implements AdapterLoader {
        @Override
        public void load(AdapterRef adapter, int slot) {
            loader.execute(() -> {
                try {
                    long bytes = runner.loadAdapter(adapter, slot);
                    inbox.add(() -> loaded(slot, bytes));
                } catch (AdapterRejected e) {
                    inbox.add(() -> failed(slot, "the adapter was refused: " + e.getMessage()));
                } catch (IOException | RuntimeException | Error e) {
                    LOG.error("adapter {} could not be loaded", adapter.digest(), e);
                    inbox.add(() -> failed(slot, "the adapter could not be loaded"));
                }
            });
        }

        @Override
        public void evict(int slot) {
            runner.evictAdapter(slot);
        }

        private void loaded(int slot, long bytes) {
            for (Sequence waited : scheduler.loaded(slot, bytes)) {
                fail(
                        generation(waited),
                        "the adapter takes "
                                + bytes
                                + " bytes of the device's memory; all adapters together may take "
                                + adapters.budget());
            }
        }

        private void failed(int slot, String message) {
            for (Sequence waited : scheduler.loadFailed(slot)) {
                fail(generation(waited), message);
            }
        }
    }
}
