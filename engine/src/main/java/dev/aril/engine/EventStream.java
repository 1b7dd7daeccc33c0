package dev.aril.engine;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One generation's events on their way to its one subscriber. {@link #publish} never blocks and
 * never runs the subscriber's code: that runs on the executor, one call at a time, as far as the
 * subscriber has asked. What it has not asked for waits here; a generation has at most one event a
 * token, so the queue is bounded by {@code maxTokens}.
 */
final class EventStream implements Flow.Publisher<GenerationEvent> {
    private static final Logger LOG = LoggerFactory.getLogger(EventStream.class);

    private final Executor executor;
    private final Runnable onCancel;
    private final Queue<GenerationEvent> events = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean subscribed = new AtomicBoolean();
    private final AtomicLong demand = new AtomicLong();

    /** Signals not yet looked at; whoever raises it from zero starts the delivery. */
    private final AtomicInteger signals = new AtomicInteger();

    /** Set once {@code onSubscribe} has returned: nothing may overtake it. */
    private volatile Flow.@Nullable Subscriber<? super GenerationEvent> subscriber;

    private volatile boolean badRequest;
    private volatile boolean done;

    /**
     * @param onCancel called once if the subscriber cancels before the last event
     */
    EventStream(Executor executor, Runnable onCancel) {
        this.executor = executor;
        this.onCancel = onCancel;
    }

    void publish(GenerationEvent event) {
        if (!done) {
            events.add(event);
            signal();
        }
    }

    @Override
    public void subscribe(Flow.Subscriber<? super GenerationEvent> next) {
        if (!subscribed.compareAndSet(false, true)) {
            next.onSubscribe(new Refused());
            next.onError(new IllegalStateException("a generation has one subscriber only"));
            return;
        }
        next.onSubscribe(new Demand());
        subscriber = next;
        signal();
    }

    private void signal() {
        if (signals.getAndIncrement() == 0) {
            executor.execute(this::deliver);
        }
    }

    private void deliver() {
        int seen = signals.get();
        do {
            Flow.Subscriber<? super GenerationEvent> to = subscriber;
            if (to != null) {
                try {
                    deliver(to);
                } catch (RuntimeException e) {
                    LOG.warn("a subscriber failed; its generation is cancelled", e);
                    cancel();
                }
            }
            seen = signals.addAndGet(-seen);
        } while (seen != 0);
    }

    private void deliver(Flow.Subscriber<? super GenerationEvent> to) {
        if (badRequest && !done) {
            cancel();
            to.onError(new IllegalArgumentException("a subscriber must request at least 1"));
        }
        while (!done && demand.get() > 0) {
            GenerationEvent event = events.poll();
            if (event == null) {
                return;
            }
            if (demand.get() != Long.MAX_VALUE) {
                demand.decrementAndGet();
            }
            boolean last =
                    event instanceof GenerationEvent.Finished
                            || event instanceof GenerationEvent.Failed;
            if (last) {
                done = true;
            }
            to.onNext(event);
            if (last) {
                to.onComplete();
            }
        }
    }

    private void cancel() {
        if (!done) {
            done = true;
            events.clear();
            onCancel.run();
        }
    }

    private final class Demand implements Flow.Subscription {
        @Override
        public void request(long more) {
            if (more <= 0) {
                badRequest = true;
            } else {
                demand.accumulateAndGet(more, (a, b) -> a + b < 0 ? Long.MAX_VALUE : a + b);
            }
            signal();
        }

        @Override
        public void cancel() {
            EventStream.this.cancel();
        }
    }

    /** What a second subscriber gets. */
    private static final class Refused implements Flow.Subscription {
        @Override
        public void request(long more) {
            // nothing will come
        }

        @Override
        public void cancel() {
            // nothing is there to cancel
        }
    }
}
