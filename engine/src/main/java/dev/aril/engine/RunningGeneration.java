package dev.aril.engine;

import dev.aril.engine.schedule.Sequence;
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
    private boolean started;
    private boolean ended;

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
        started = true;
        return first;
    }

    boolean started() {
        return started;
    }

    boolean ended() {
        return ended;
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
