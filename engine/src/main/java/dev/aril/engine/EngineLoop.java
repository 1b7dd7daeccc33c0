package dev.aril.engine;

import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.model.ModelConfig;
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
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that owns the device, and the way in. Nothing else touches the scheduler's books
 * or runs a step; what others want of it waits in the inbox.
 *
 * <p>While the device computes a step, the host turns the ids of the one before into text and takes
 * messages. When the ids have come, it does only what the next step needs: book, schedule, launch.
 *
 * <pre>
 * device  |     step n     |    |    step n+1    |    |
 * host    |deliver|  wait  |book|deliver|  wait  |book|
 *              n-1            n      n              n+1
 * </pre>
 *
 * So an end that the ids tell (end id, length) costs no further step; a stop string, which only the
 * text tells, is found while the next step runs, whose id for this sequence is dropped.
 */
final class EngineLoop implements Engine {
    private static final Logger LOG = LoggerFactory.getLogger(EngineLoop.class);

    /** Steps are counted by their number of adapters, up to this many or more. */
    private static final int MOST_ADAPTERS_COUNTED = 4;

    /** Of a sequence that wanted its prompt computed and no more. */
    private static final int NO_ID = -1;

    private static final String CLOSING = "the server is shutting down";

    private static final String FAILED = "the engine failed while it computed this generation";

    /** The device failed and there will be no other. */
    private static final class GaveUp extends RuntimeException {
        private static final long serialVersionUID = 1L;

        GaveUp(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /**
     * A step on the device.
     *
     * @param members [spans]
     * @param scored rows whose logits tell a prompt's logprobs
     */
    private record Flight(Batch batch, RunningGeneration[] members, int[] scored) {}

    /**
     * A sampled id that is in the books.
     *
     * @param end why it is the last, as far as ids tell
     */
    private record Landed(
            RunningGeneration generation,
            int id,
            @Nullable TokenLogprobs logprobs,
            @Nullable FinishReason end) {}

    /** What a subscriber is about to hear. */
    private record News(
            RunningGeneration generation,
            GenerationEvent.@Nullable Text text,
            GenerationEvent.@Nullable Text rest,
            @Nullable FinishReason end) {}

    /** Reads an adapter's files whole and checks them. */
    @FunctionalInterface
    interface Verifier {
        AdapterSummary verify(Path folder) throws AdapterRejected;
    }

    private final ModelCard card;
    private final ModelConfig config;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final RunnerSource source;
    private final int adapterSlots;
    private final Verifier verifier;
    private final LongSupplier seeds;
    private final int contextLength;

    private final KvBlocks blocks;
    private final ResidentAdapters adapters;
    private final Scheduler scheduler;
    private final Restarts restarts = new Restarts();

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
    private long hostNanos;
    private long deviceNanos;
    private long adapterLoads;
    private volatile EngineStats stats;

    /** Another one after a restart; a load for an earlier one is void. */
    private volatile StepRunner runner;

    private volatile boolean restarting;

    /** Whether a step is on the device. */
    private boolean flying;

    /** Since when the device has had nothing to do. */
    private long landing;

    /** Ids of the last step, in the books and not yet delivered. */
    private final List<Landed> landed = new ArrayList<>();

    private final List<News> news = new ArrayList<>();

    /** Slots to empty once no step is on the device, which may still read them. */
    private final List<Integer> evictions = new ArrayList<>();

    /** Guards the moment from which on the inbox takes no more sequences. */
    private final Object door = new Object();

    private boolean closed;
    private String closedBecause = CLOSING;
    private boolean broken;
    private boolean released;
    private boolean stopping;
    private boolean warming = true;

    EngineLoop(
            ModelCard card,
            ModelConfig config,
            Tokenizer tokenizer,
            ChatTemplate template,
            StepRunner runner,
            RunnerSource source,
            EngineSettings settings,
            Verifier verifier) {
        this(
                card,
                config,
                tokenizer,
                template,
                runner,
                source,
                settings,
                verifier,
                new SecureRandom()::nextLong);
    }

    /**
     * @param runner closed with this engine, as is the tokenizer
     * @param source of another runner when the device failed
     * @param settings with nothing left open
     * @param seeds of requests that bring none
     */
    EngineLoop(
            ModelCard card,
            ModelConfig config,
            Tokenizer tokenizer,
            ChatTemplate template,
            StepRunner runner,
            RunnerSource source,
            EngineSettings settings,
            Verifier verifier,
            LongSupplier seeds) {
        this.config = config;
        this.tokenizer = tokenizer;
        this.template = template;
        this.runner = runner;
        this.source = source;
        this.adapterSlots = runner.adapterSlots();
        this.verifier = verifier;
        this.seeds = seeds;
        this.blocks = new KvBlocks(runner.kvBlocks(), runner.kvBlockTokens());
        this.contextLength = (int) Math.min(card.contextLength(), blocks.positions());
        // what clients are told is what they can have
        this.card = card.withContextLength(contextLength);
        this.adapters = new ResidentAdapters(adapterSlots, settings.adapterBytes(), new Shelf());
        this.scheduler =
                new Scheduler(settings.tokenBudget(), settings.maxSequences(), blocks, adapters);
        if (settings.maxWaiting() < 1) {
            throw new IllegalArgumentException(
                    "maxWaiting must be at least 1, not " + settings.maxWaiting());
        }
        this.maxWaiting = settings.maxWaiting();
        this.places = new Semaphore(maxWaiting);
        this.stats = snapshot();
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
        return tokenizer.encodeWithSpecials(text);
    }

    @Override
    public int[] tokenize(List<ChatMessage> messages) {
        return tokenizer.encode(template.render(messages, true));
    }

    @Override
    public String text(int[] ids) {
        return tokenizer.decode(ids);
    }

    @Override
    public Token token(int id) {
        return tokenizer.token(id);
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
    public EngineState state() {
        synchronized (door) {
            if (broken) {
                return EngineState.BROKEN;
            }
            if (closed || !thread.isAlive()) {
                return EngineState.CLOSED;
            }
        }
        return restarting ? EngineState.RESTARTING : EngineState.READY;
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
                places.release();
                throw new EngineOverloaded(closedBecause);
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
        for (int id : sampling.logitBias().keySet()) {
            if (id < 0 || id >= config.vocabulary()) {
                throw new IllegalArgumentException(
                        "logitBias: " + id + " is not in the vocabulary of " + config.vocabulary());
            }
        }
        if ((long) prompt.length + sampling.maxTokens() > contextLength) {
            throw new ContextOverflow(contextLength, prompt.length, sampling.maxTokens());
        }
        if (request.adapter() != null && adapterSlots < 1) {
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
        String reason = "the engine stopped after an internal error";
        landing = System.nanoTime();
        try {
            while (!stopping) {
                turn();
            }
            deliver();
            reason = CLOSING;
        } catch (InterruptedException e) {
            LOG.warn("the engine's thread was interrupted; it shuts down");
        } catch (GaveUp e) {
            LOG.error("the engine stops for good: {}", e.getMessage(), e);
            reason = "the engine stopped: " + e.getMessage();
        } catch (RuntimeException | Error e) {
            LOG.error("the engine stops: its books are broken", e);
        } finally {
            synchronized (door) {
                closed = true;
                closedBecause = reason;
                broken = !stopping;
            }
            for (RunningGeneration generation : List.copyOf(generations.values())) {
                last(generation, reason);
            }
        }
    }

    /** One step, and beside it all that may wait until the device is busy. */
    private void turn() throws InterruptedException {
        Batch batch = scheduler.next();
        Flight flight = batch.isEmpty() ? null : launch(batch);
        deliver();
        boolean told = takeMessages();
        if (flight != null) {
            land(flight);
            return;
        }
        if (batch.isEmpty() && !told && !stopping) {
            rest();
        }
        landing = System.nanoTime();
    }

    private boolean takeMessages() {
        boolean any = false;
        for (Runnable message = inbox.poll(); message != null; message = inbox.poll()) {
            message.run();
            any = true;
        }
        return any;
    }

    /** Runs the next message; while none comes, readies the device for what will. */
    private void rest() throws InterruptedException {
        // at first the processor belongs to the rest of the server's start
        Runnable message = warming ? inbox.poll(3, TimeUnit.SECONDS) : inbox.take();
        while (message == null) {
            warming = warmUp();
            message = warming ? inbox.poll() : inbox.take();
        }
        message.run();
    }

    private boolean warmUp() {
        try {
            return runner.warmUp();
        } catch (RuntimeException | Error e) {
            LOG.error("the device failed before there was anything to do", e);
            mend(e);
            return false;
        }
    }

    /** Null if the step could not begin. */
    private @Nullable Flight launch(Batch batch) {
        RunningGeneration[] members = new RunningGeneration[batch.spans().size()];
        for (int i = 0; i < members.length; i++) {
            RunningGeneration generation = generation(batch.spans().get(i).sequence());
            members[i] = generation;
            if (generation.start()) {
                places.release();
            }
        }
        int[] scored = batch.scored();
        try {
            runner.launch(batch);
        } catch (RuntimeException | Error e) {
            // the ids of the step before are good
            deliver();
            failed(batch, members, e);
            return null;
        }
        flying = true;
        hostNanos += System.nanoTime() - landing;
        return new Flight(batch, members, scored);
    }

    /** Waits for a step and books it. */
    private void land(Flight flight) {
        long start = System.nanoTime();
        int[] sampled = {};
        @Nullable TokenLogprobs[] logprobs = {};
        Throwable failure = null;
        try {
            sampled = runner.await();
            logprobs = runner.logprobs();
        } catch (RuntimeException | Error e) {
            failure = e;
        }
        flying = false;
        landing = System.nanoTime();
        deviceNanos += landing - start;
        if (failure != null) {
            failed(flight.batch(), flight.members(), failure);
            return;
        }
        evictions.forEach(runner::evictAdapter);
        evictions.clear();
        // who came or went meanwhile is part of the next step, or not, at once
        takeMessages();
        book(flight, sampled, logprobs);
    }

    /**
     * @param logprobs empty, or those of the sampled ids and of the scored rows
     */
    private void book(Flight flight, int[] sampled, @Nullable TokenLogprobs[] logprobs) {
        List<Span> spans = flight.batch().spans();
        int next = 0;
        for (int i = 0; i < spans.size(); i++) {
            if (spans.get(i).samples() && sampled[next++] == Kernels.DIVERGED) {
                fail(flight.members()[i], "the model diverged: its logits are not finite");
            }
        }
        boolean[] booked = scheduler.commit(flight.batch(), sampled);
        steps[Math.min(flight.batch().segments().count(), MOST_ADAPTERS_COUNTED)]++;
        for (int i = 0; i < flight.scored().length; i++) {
            int row = flight.scored()[i];
            flight.members()[flight.batch().spanOfRow()[row]].score(
                    flight.batch().position(row) + 1, logprobs[sampled.length + i]);
        }
        next = 0;
        for (int i = 0; i < booked.length; i++) {
            Span span = spans.get(i);
            int own = span.samples() ? next++ : -1;
            if (!booked[i]) {
                continue;
            }
            Sequence sequence = span.sequence();
            int first = sequence.computed() - span.rows();
            promptTokens += Math.clamp(sequence.promptLength() - first, 0, span.rows());
            if (span.samples()) {
                boolean wanted = sequence.sampling().maxTokens() > 0;
                int id = wanted ? sampled[own] : NO_ID;
                completionTokens += wanted ? 1 : 0;
                FinishReason end = wanted ? end(sequence, id) : FinishReason.LENGTH;
                if (end != null) {
                    // its blocks are free for the next step; its name and news follow
                    scheduler.end(sequence);
                }
                TokenLogprobs scored = wanted && logprobs.length > 0 ? logprobs[own] : null;
                landed.add(new Landed(flight.members()[i], id, scored, end));
            }
        }
    }

    /** Why a sampled id is a sequence's last; null if it is not. */
    private @Nullable FinishReason end(Sequence sequence, int id) {
        SamplingParams sampling = sequence.sampling();
        if (sampling.stopIds().contains(id)
                || (config.eosIds().contains(id) && !sampling.ignoreEos())) {
            return FinishReason.STOP;
        }
        boolean full =
                sequence.completionLength() == sampling.maxTokens()
                        || sequence.length() == contextLength;
        return full ? FinishReason.LENGTH : null;
    }

    /** Turns the last step's ids into text, and tells those who wait for it. */
    private void deliver() {
        for (Landed id : landed) {
            if (!id.generation().ended()) {
                try {
                    news.add(read(id));
                } catch (RuntimeException e) {
                    LOG.error("the text of {} failed", id.generation().id(), e);
                    fail(id.generation(), FAILED);
                }
            }
        }
        landed.clear();
        // first the books, then the news: who hears of an end finds it in the statistics
        stats = snapshot();
        for (News one : news) {
            RunningGeneration generation = one.generation();
            generation.emitPrompt();
            generation.emit(one.text());
            generation.emit(one.rest());
            if (one.end() != null) {
                generation.finish(one.end());
            }
        }
        news.clear();
    }

    private News read(Landed id) {
        RunningGeneration generation = id.generation();
        Transcript transcript = generation.transcript();
        GenerationEvent.Text text = null;
        if (id.end() == FinishReason.STOP) {
            transcript.skip();
        } else if (id.id() != NO_ID) {
            text = transcript.accept(id.id(), id.logprobs());
        }
        if (id.end() == null && !transcript.stopped()) {
            return new News(generation, text, null, null);
        }
        GenerationEvent.Text rest = transcript.stopped() ? null : transcript.finish();
        FinishReason end = transcript.stopped() ? FinishReason.STOP : id.end();
        release(generation);
        return new News(generation, text, rest, end);
    }

    /** Fails a step's generations, and sees to it that others go on. */
    private void failed(Batch batch, RunningGeneration[] members, Throwable cause) {
        LOG.error("a step of {} rows failed", batch.rows(), cause);
        boolean sound = sound();
        // who hears of the failure finds the engine not ready
        restarting = !sound;
        for (RunningGeneration generation : members) {
            fail(generation, FAILED);
        }
        if (sound) {
            evictions.forEach(runner::evictAdapter);
            evictions.clear();
        } else {
            restart(cause);
        }
    }

    /** Goes on with the device if it is sound, and sets it up anew if not. */
    private void mend(Throwable cause) {
        if (!sound()) {
            restart(cause);
        }
    }

    private boolean sound() {
        try {
            return runner.sound();
        } catch (RuntimeException | Error e) {
            LOG.error("the device does not even say whether it works", e);
            return false;
        }
    }

    /**
     * Everything anew but the sequences: those that ran start over with the tokens they have, their
     * adapters are loaded again when they are next in line.
     */
    private void restart(Throwable cause) {
        restarting = true;
        if (!restarts.allowed(System.nanoTime())) {
            throw new GaveUp(
                    "its device failed again within "
                            + Restarts.QUIET.toSeconds()
                            + " seconds of a restart",
                    cause);
        }
        LOG.warn("the device is set up anew");
        scheduler.reset();
        evictions.clear();
        stats = snapshot();
        try {
            // a load under way ends first, those behind it are void
            loader.submit(() -> {}).get();
            discard(runner);
            StepRunner next = source.open(blocks.count());
            if (next.kvBlocks() < blocks.count()) {
                discard(next);
                throw new IllegalStateException(
                        "the KV cache had "
                                + blocks.count()
                                + " blocks, now only "
                                + next.kvBlocks()
                                + " fit");
            }
            runner = next;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new GaveUp("it was interrupted while it set up its device anew", e);
        } catch (ExecutionException | IOException | RuntimeException | Error e) {
            e.addSuppressed(cause);
            throw new GaveUp("its device failed and could not be set up anew", e);
        }
        restarts.ended(System.nanoTime());
        restarting = false;
        LOG.warn("the device is ready again");
    }

    private static void discard(StepRunner old) {
        try {
            old.close();
        } catch (RuntimeException e) {
            LOG.warn("a failed device was not closed in order: {}", e.getMessage());
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

    private EngineStats snapshot() {
        return new EngineStats(
                Arrays.stream(steps).boxed().toList(),
                promptTokens,
                completionTokens,
                hostNanos,
                deviceNanos,
                scheduler.waiting(),
                scheduler.running(),
                blocks.count(),
                blocks.free(),
                blocks.blockTokens(),
                adapters.digests(),
                adapters.bytes(),
                adapterLoads);
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
        discard(runner);
        tokenizer.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Loads adapters beside the steps; the outcome comes back through the inbox. */
    private final class Shelf implements AdapterLoader {
        @Override
        public void load(AdapterRef adapter, int slot) {
            StepRunner on = runner;
            loader.execute(() -> {
                if (!restarting && on == runner) {
                    Runnable outcome = load(on, adapter, slot);
                    inbox.add(() -> {
                        if (on == runner) {
                            outcome.run();
                        }
                    });
                }
            });
        }

        /** On the loader's thread; what it returns is for the engine's. */
        private Runnable load(StepRunner on, AdapterRef adapter, int slot) {
            try {
                long bytes = on.loadAdapter(adapter, slot);
                return () -> loaded(slot, bytes);
            } catch (AdapterRejected e) {
                return () -> failed(slot, "the adapter was refused: " + e.getMessage());
            } catch (OutOfDeviceMemory e) {
                LOG.info("adapter {} found no room: {}", adapter.digest(), e.getMessage());
                return () -> outOfMemory(slot, e);
            } catch (IOException | RuntimeException | Error e) {
                LOG.error("adapter {} could not be loaded", adapter.digest(), e);
                return () -> {
                    failed(slot, "the adapter could not be loaded");
                    // a step on the device will tell by itself
                    if (!flying) {
                        mend(e);
                    }
                };
            }
        }

        @Override
        public void evict(int slot) {
            if (flying) {
                evictions.add(slot);
            } else {
                runner.evictAdapter(slot);
            }
        }

        private void loaded(int slot, long bytes) {
            adapterLoads++;
            for (Sequence waited : scheduler.loaded(slot, bytes)) {
                fail(generation(waited), tooLarge(bytes, adapters.budget()));
            }
        }

        private void outOfMemory(int slot, OutOfDeviceMemory e) {
            for (Sequence waited : scheduler.outOfMemory(slot, e.wanted(), e.free())) {
                fail(
                        generation(waited),
                        tooLarge(e.wanted(), Math.min(e.free(), adapters.budget())));
            }
        }

        private static String tooLarge(long bytes, long most) {
            return "the adapter takes "
                    + bytes
                    + " bytes of the device's memory; all adapters together may take "
                    + most;
        }

        private void failed(int slot, String message) {
            for (Sequence waited : scheduler.loadFailed(slot)) {
                fail(generation(waited), message);
            }
        }
    }
}
