package dev.aril.api;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.Generation;
import dev.aril.engine.GenerationEvent;
import dev.aril.engine.GenerationEvent.Failed;
import dev.aril.engine.GenerationEvent.Finished;
import dev.aril.engine.GenerationEvent.Text;
import dev.aril.engine.Usage;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.UsageEntry;
import dev.aril.tenancy.UsageLedger;
import java.time.Clock;
import java.time.Instant;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import reactor.adapter.JdkFlowAdapter;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * A running generation and the row it owes the ledger: exactly one, however it ends, and committed
 * before its last event is passed on.
 */
final class GenerationCall {
    private static final Logger LOG = LoggerFactory.getLogger(GenerationCall.class);

    private final Generation generation;
    private final Tenant tenant;
    private final ServedModel model;
    private final UsageLedger ledger;
    private final Blocking blocking;
    private final GenerationMetrics metrics;
    private final Clock clock;
    private final Instant startedAt;
    private final AtomicBoolean settling = new AtomicBoolean();
    private final AtomicBoolean silent = new AtomicBoolean(true);
    private final CompletableFuture<Boolean> settled = new CompletableFuture<>();

    GenerationCall(
            Generation generation,
            Tenant tenant,
            ServedModel model,
            UsageLedger ledger,
            Blocking blocking,
            GenerationMetrics metrics,
            Clock clock) {
        this.generation = generation;
        this.tenant = tenant;
        this.model = model;
        this.ledger = ledger;
        this.blocking = blocking;
        this.metrics = metrics;
        this.clock = clock;
        this.startedAt = clock.instant();
    }

    /**
     * The generation's events, for one subscriber; its cancelling ends the generation. Ends with
     * {@link GenerationFailed} or {@link UsageNotRecorded} instead of a last event that is not
     * owed.
     */
    Flux<GenerationEvent> events() {
        return JdkFlowAdapter.flowPublisherToFlux(generation)
                .concatMap(this::pass)
                .doOnError(error -> settle("failed"))
                .doOnCancel(this::abandon);
    }

    private Mono<GenerationEvent> pass(GenerationEvent event) {
        return switch (event) {
            case Text text -> {
                if (silent.compareAndSet(true, false)) {
                    metrics.firstToken(startedAt, clock.instant());
                }
                yield Mono.just(text);
            }
            case Finished finished ->
                    Mono.fromFuture(settle(finished.reason().name().toLowerCase(Locale.ROOT)), true)
                            .thenReturn(finished);
            case Failed failed ->
                    Mono.fromFuture(settle("failed"), true)
                            .then(Mono.error(new GenerationFailed(failed.message())));
        };
    }

    /** Nobody listens any more: ends the generation, unless it has ended. */
    void abandon() {
        settle("cancelled");
    }

    /** Completes when the row is in the ledger, or could not be written. */
    CompletableFuture<Boolean> settled() {
        return settled;
    }

    /** The first reason counts; the row is written even if nobody waits for it. */
    private CompletableFuture<Boolean> settle(String reason) {
        if (settling.compareAndSet(false, true)) {
            generation.close();
            generation
                    .usage()
                    .thenAccept(usage ->
                            blocking.start(() -> ledger.record(entry(usage, reason)))
                                    .whenComplete(
                                            (fresh, failure) -> settled(usage, reason, failure)));
        }
        return settled;
    }

    private void settled(Usage usage, String reason, @Nullable Throwable failure) {
        metrics.ended(reason);
        if (failure == null) {
            settled.complete(true);
        } else {
            // All that is needed to write the row by hand.
            LOG.error("not in the ledger: {}", entry(usage, reason), failure);
            settled.completeExceptionally(new UsageNotRecorded(generation.id(), failure));
        }
    }

    private UsageEntry entry(Usage usage, String reason) {
        AdapterRef adapter = model.adapter();
        Instant now = clock.instant();
        return new UsageEntry(
                generation.id(),
                tenant.id(),
                model.name(),
                adapter == null ? null : adapter.digest(),
                usage.promptTokens(),
                usage.completionTokens(),
                reason,
                startedAt,
                now.isBefore(startedAt) ? startedAt : now);
    }
}
