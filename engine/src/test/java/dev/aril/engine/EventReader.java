package dev.aril.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Collects everything, or asks for as much as the test says. */
final class EventReader implements Flow.Subscriber<GenerationEvent> {
    final LinkedBlockingQueue<GenerationEvent> events = new LinkedBlockingQueue<>();
    final CountDownLatch completed = new CountDownLatch(1);
    final long demand;
    volatile Flow.@Nullable Subscription subscription;
    volatile @Nullable Throwable error;

    EventReader(long demand) {
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
