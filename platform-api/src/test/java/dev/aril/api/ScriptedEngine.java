package dev.aril.api;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterSummary;
import dev.aril.engine.ChatMessage;
import dev.aril.engine.ContextOverflow;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineOverloaded;
import dev.aril.engine.EngineState;
import dev.aril.engine.EngineStats;
import dev.aril.engine.FinishReason;
import dev.aril.engine.Generation;
import dev.aril.engine.GenerationEvent;
import dev.aril.engine.GenerationRequest;
import dev.aril.engine.ModelCard;
import dev.aril.engine.Token;
import dev.aril.engine.TokenLogprobs;
import dev.aril.engine.Usage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.SubmissionPublisher;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * An engine without a model: an id is a UTF-16 unit, and the answer is the prompt's words, one
 * token each. Prompts that begin with a command do something else:
 *
 * <ul>
 *   <li>{@code forever}: "tick " until closed
 *   <li>{@code fail}: two pieces, then a failure
 *   <li>{@code never}: nothing at all
 *   <li>{@code hold}: one piece, then nothing until {@link #release}
 * </ul>
 *
 * <p>A conversation that ends in {@code untemplated} is refused. Id 3 is " a", whose blank goes
 * where it opens a text, as in a SentencePiece vocabulary.
 */
public final class ScriptedEngine implements Engine {
    static final int CONTEXT = 1024;
    static final int VOCABULARY = 65536;

    final Map<String, Script> running = new ConcurrentHashMap<>();
    final List<GenerationRequest> requests = Collections.synchronizedList(new ArrayList<>());
    final AtomicBoolean overloaded = new AtomicBoolean();
    final AtomicReference<EngineState> state = new AtomicReference<>(EngineState.READY);
    private final AtomicLong sampled = new AtomicLong();
    private volatile CountDownLatch held = new CountDownLatch(1);
    private volatile boolean closed;

    @Override
    public ModelCard model() {
        return new ModelCard("novella-11m", "w4a4", CONTEXT, VOCABULARY, 1_700_000_000);
    }

    @Override
    public int[] tokenize(String text) {
        int[] ids = new int[text.length() + 1];
        for (int i = 0; i < text.length(); i++) {
            ids[i + 1] = text.charAt(i);
        }
        return ids;
    }

    @Override
    public int[] tokenize(List<ChatMessage> messages) {
        if (messages.getLast().content().equals("untemplated")) {
            throw new IllegalArgumentException("no such turn");
        }
        return tokenize(messages.getLast().content());
    }

    @Override
    public String text(int[] ids) {
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            String more = id == 0 ? "" : text(id);
            text.append(id == 3 && text.isEmpty() ? more.substring(1) : more);
        }
        return text.toString();
    }

    private static String text(int id) {
        return id == 3 ? " a" : Character.toString((char) id);
    }

    @Override
    public Token token(int id) {
        // 0 begins a prompt, 1 is a byte that is no character
        return id == 1
                ? new Token(new byte[] {(byte) 0xC3}, true)
                : new Token((id == 0 ? "<s>" : text(id)).getBytes(StandardCharsets.UTF_8), id != 0);
    }

    @Override
    public Generation submit(GenerationRequest request) {
        int max = request.sampling().maxTokens();
        if (request.prompt().length + max > CONTEXT) {
            throw new ContextOverflow(CONTEXT, request.prompt().length, max);
        }
        if (closed || overloaded.get()) {
            throw new EngineOverloaded("the queue is full");
        }
        requests.add(request);
        Script script = new Script(request);
        running.put(request.id(), script);
        return script;
    }

    /** Lets go of every {@code hold}. */
    void release() {
        CountDownLatch old = held;
        held = new CountDownLatch(1);
        old.countDown();
    }

    @Override
    public AdapterSummary verify(Path folder) throws AdapterRejected {
        try {
            String config = Files.readString(folder.resolve("adapter_config.json"));
            if (!config.contains("LORA")) {
                throw new AdapterRejected(
                        AdapterRejected.Part.CONFIG, "peft_type must be LORA, not something else");
            }
            byte[] tensors = Files.readAllBytes(folder.resolve("adapter_model.safetensors"));
            if (new String(tensors, 0, 2, StandardCharsets.ISO_8859_1).equals("PK")) {
                throw new AdapterRejected(AdapterRejected.Part.MODEL, "this is a zip file");
            }
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            sha.update(config.getBytes(StandardCharsets.UTF_8));
            return new AdapterSummary(
                    HexFormat.of().formatHex(sha.digest(tensors)),
                    8,
                    List.of("q_proj", "v_proj"),
                    tensors.length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public EngineStats stats() {
        return new EngineStats(
                List.of(1L, 2L, 3L, 4L, 5L),
                10,
                sampled.get(),
                1_500_000_000,
                2_500_000_000L,
                0,
                running.size(),
                100,
                90,
                16,
                List.of("a".repeat(64)),
                1234,
                7);
    }

    @Override
    public EngineState state() {
        return closed ? EngineState.CLOSED : state.get();
    }

    @Override
    public void close() {
        closed = true;
        running.values().forEach(script -> script.fail());
    }

    final class Script implements Generation {
        private final GenerationRequest request;
        private final String prompt;
        private final SubmissionPublisher<GenerationEvent> publisher =
                new SubmissionPublisher<>(Runnable::run, 16);
        private final CompletableFuture<Usage> usage = new CompletableFuture<>();
        private volatile boolean cancelled;
        private volatile boolean failed;
        private volatile @Nullable Instant scheduledAt;
        private int tokens;

        Script(GenerationRequest request) {
            this.request = request;
            StringBuilder text = new StringBuilder();
            for (int i = 1; i < request.prompt().length; i++) {
                text.append((char) request.prompt()[i]);
            }
            this.prompt = text.toString();
        }

        @Override
        public String id() {
            return request.id();
        }

        @Override
        public CompletionStage<Usage> usage() {
            return usage;
        }

        @Override
        public @Nullable Instant scheduledAt() {
            return scheduledAt;
        }

        @Override
        public void subscribe(Flow.Subscriber<? super GenerationEvent> subscriber) {
            publisher.subscribe(subscriber);
            Thread.startVirtualThread(this::run);
        }

        private void run() {
            try {
                GenerationEvent end = play();
                letGo();
                if (end != null) {
                    publisher.submit(end);
                }
                publisher.close();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        private @Nullable GenerationEvent play() throws InterruptedException {
            AdapterRef adapter = request.adapter();
            scheduledAt = Instant.now();
            if (prompt.startsWith("never")) {
                while (!gone()) {
                    Thread.sleep(2);
                }
                return null;
            }
            if (request.sampling().promptLogprobs()) {
                List<TokenLogprobs> scored = new ArrayList<>();
                for (int id : request.prompt()) {
                    scored.add(scored.isEmpty() ? TokenLogprobs.first(id) : scored(id));
                }
                publisher.submit(new GenerationEvent.Prompt(scored));
            }
            String[] words = prompt.isEmpty() ? new String[0] : prompt.split("(?<= )");
            boolean endless = prompt.startsWith("forever");
            boolean hold = prompt.startsWith("hold");
            for (int i = 0; endless || i < words.length; i++) {
                if (gone()) {
                    return null;
                }
                if (failed) {
                    return failure("the server is shutting down");
                }
                if (prompt.startsWith("fail") && i == 2) {
                    return failure("the device is gone");
                }
                if (!endless && i >= request.sampling().maxTokens()) {
                    return finished(FinishReason.LENGTH);
                }
                String word = endless ? "tick " : words[i];
                say(
                        adapter != null && i == 0
                                ? "<" + adapter.digest().substring(0, 6) + ">" + word
                                : word);
                if (endless) {
                    Thread.sleep(2);
                }
                if (hold && i == 0) {
                    CountDownLatch latch = held;
                    while (!gone() && !failed && latch.getCount() > 0) {
                        Thread.sleep(2);
                    }
                }
            }
            return finished(FinishReason.STOP);
        }

        private void say(String word) {
            tokens++;
            sampled.incrementAndGet();
            publisher.submit(
                    new GenerationEvent.Text(
                            word,
                            1,
                            request.sampling().logprobs() == null
                                    ? List.of()
                                    : List.of(scored(word.charAt(0)))));
        }

        /** An id is worth -id / 64; beside it, 1 is impossible and 2 is likely. */
        private TokenLogprobs scored(int id) {
            int top = Objects.requireNonNullElse(request.sampling().logprobs(), 0);
            int[] ids = {2, id, 1};
            float[] logprobs = {-0.25f, -id / 64f, Float.NEGATIVE_INFINITY};
            int count = Math.min(top, ids.length);
            return new TokenLogprobs(
                    id, -id / 64f, Arrays.copyOf(ids, count), Arrays.copyOf(logprobs, count));
        }

        private boolean gone() {
            return cancelled || publisher.getNumberOfSubscribers() == 0;
        }

        private GenerationEvent failure(String message) {
            return new GenerationEvent.Failed(message, spent());
        }

        private GenerationEvent finished(FinishReason reason) {
            return new GenerationEvent.Finished(reason, spent());
        }

        private Usage spent() {
            return new Usage(request.prompt().length, tokens);
        }

        private void letGo() {
            running.remove(request.id());
            usage.complete(spent());
        }

        void fail() {
            failed = true;
        }

        @Override
        public void close() {
            cancelled = true;
            if (!publisher.hasSubscribers()) {
                letGo();
            }
        }
    }
}
