package dev.aril.engine;

import dev.aril.engine.schedule.Sequence;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A submitted sequence, from the queue to its end. The engine's thread advances it; its subscriber
 * and whoever closes it are other threads.
 */
final class RunningGeneration implements Generation {
    private final Sequence sequence;
    private final Transcript transcript;
    private final Consumer<RunningGeneration> cancel;
    private final Executor executor;
    private final EventStream stream;
    private final CompletableFuture<Usage> usage = new CompletableFuture<>();
    private volatile @Nullable Instant scheduledAt;
    private boolean started;
    private boolean ended;

    /** [prompt] as far as steps have told; null once told, or if nobody asked. */
    private TokenLogprobs @Nullable [] prompt;

    /**
     * @param cancel asks the engine's thread to end this; may be asked more than once
     * @param executor runs the subscriber's code and what waits for the usage
     */
    RunningGeneration(
            Sequence sequence,
            Transcript transcript,
            Consumer<RunningGeneration> cancel,
            Executor executor) {
        this.sequence = sequence;
        this.transcript = transcript;
        this.cancel = cancel;
        this.executor = executor;
        this.stream = new EventStream(executor, this::close);
        if (sequence.sampling().promptLogprobs()) {
            prompt = new TokenLogprobs[sequence.promptLength()];
            Arrays.setAll(prompt, i -> TokenLogprobs.first(sequence.token(i)));
        }
    }

    @Override
    public String id() {
        return sequence.id();
    }

    @Override
    public CompletionStage<Usage> usage() {
        return usage.minimalCompletionStage();
    }

    @Override
    public void subscribe(Flow.Subscriber<? super GenerationEvent> subscriber) {
        stream.subscribe(subscriber);
    }

    @Override
    public @Nullable Instant scheduledAt() {
        return scheduledAt;
    }

    @Override
    public void close() {
        if (!usage.isDone()) {
            cancel.accept(this);
        }
    }

    // from here on, for the engine's thread only

    Sequence sequence() {
        return sequence;
    }

    Transcript transcript() {
        return transcript;
    }

    /**
     * @return whether this is the first step that computes it
     */
    boolean start() {
        boolean first = !started;
        if (first) {
            scheduledAt = Instant.now();
        }
        started = true;
        return first;
    }

    boolean started() {
        return started;
    }

    boolean ended() {
        return ended;
    }

    /** The prompt's id at a position has these logprobs. */
    void score(int position, @Nullable TokenLogprobs logprobs) {
        if (prompt != null && logprobs != null) {
            prompt[position] = logprobs;
        }
    }

    /** Tells the prompt's logprobs, once; to be called when all of it is computed. */
    void emitPrompt() {
        if (prompt != null) {
            stream.publish(new GenerationEvent.Prompt(List.of(prompt)));
            prompt = null;
        }
    }

    void emit(GenerationEvent.@Nullable Text text) {
        if (text != null) {
            stream.publish(text);
        }
    }

    void finish(FinishReason reason) {
        Usage used = end();
        stream.publish(new GenerationEvent.Finished(reason, used));
    }

    void fail(String message) {
        Usage used = end();
        stream.publish(new GenerationEvent.Failed(message, used));
    }

    /** A prompt that was never computed costs nothing. */
    private Usage end() {
        ended = true;
        Usage used = new Usage(started ? sequence.promptLength() : 0, sequence.completionLength());
        executor.execute(() -> usage.complete(used));
        return used;
    }
}
