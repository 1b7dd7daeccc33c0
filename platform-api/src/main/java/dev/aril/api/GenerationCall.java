package dev.aril.api;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.FinishReason;
import dev.aril.engine.Generation;
import dev.aril.engine.GenerationEvent.Failed;
import dev.aril.engine.GenerationEvent.Finished;
import dev.aril.engine.GenerationEvent.Prompt;
import dev.aril.engine.GenerationEvent.Text;
import dev.aril.engine.Usage;
import dev.aril.tenancy.Headroom;
import dev.aril.tenancy.UsageEvent;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import reactor.adapter.JdkFlowAdapter;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.core.scheduler.Schedulers;

/**
 * A request's running generations and the one row they owe the ledger: exactly one, however they
 * end, and committed before the last event is passed on.
 *
 * <p>A prompt counts once, however many answers it has.
 */
final class GenerationCall {
    /** How often a long one notes what it owes, and is looked at whether it stalls. */
    private static final Duration TICK = Duration.ofSeconds(1);

    private final String id;
    private final Order order;
    private final List<Generation> generations;
    private final Account account;
    private final TenantQueues.Places places;
    private final Patience patience;
    private final GenerationMetrics metrics;
    private final Clock clock;
    private final Instant startedAt;
    private final AtomicInteger unfinished;

    /** Choices that have said something. */
    private final BitSet begun = new BitSet();

    private final AtomicBoolean settling = new AtomicBoolean();
    private final CompletableFuture<Usage> settled = new CompletableFuture<>();
    private final Sinks.Empty<CallEvent> stalled = Sinks.empty();

    /** Tokens passed on, over all choices. */
    private final AtomicInteger heard = new AtomicInteger();

    private volatile boolean cut;
    private volatile @Nullable Instant firstTokenAt;
    private volatile long lastNanos;

    /**
     * @param generations one for each of the order's choices
     * @param account where what they spend is booked
     * @param places of the generations in the tenant's queue
     */
    GenerationCall(
            String id,
            Order order,
            List<Generation> generations,
            Account account,
            TenantQueues.Places places,
            Patience patience,
            GenerationMetrics metrics,
            Clock clock) {
        this.id = id;
        this.order = order;
        this.generations = List.copyOf(generations);
        this.account = account;
        this.places = places;
        this.patience = patience;
        this.metrics = metrics;
        this.clock = clock;
        this.startedAt = account.acceptedAt();
        this.unfinished = new AtomicInteger(generations.size());
        this.lastNanos = System.nanoTime();
    }

    String id() {
        return id;
    }

    /** What the tenant has left after this request. */
    Headroom headroom() {
        return account.reservation().headroom();
    }

    int choices() {
        return generations.size();
    }

    /**
     * The generations' events, for one subscriber; its cancelling ends them. Ends with {@link
     * CallEvent.Settled}, or with {@link GenerationFailed}, {@link GenerationStalled} or {@link
     * UsageNotRecorded}.
     */
    Flux<CallEvent> events() {
        List<Flux<CallEvent.Piece>> choices = new ArrayList<>();
        for (int i = 0; i < generations.size(); i++) {
            int choice = i;
            choices.add(
                    JdkFlowAdapter.flowPublisherToFlux(generations.get(i))
                            .map(event -> new CallEvent.Piece(choice, event)));
        }
        return Flux.using(
                this::watch,
                watch ->
                        Flux.merge(choices)
                                .concatMap(this::pass)
                                .takeUntilOther(stalled.asMono())
                                .doOnError(error -> settle(reason(error)))
                                .doOnCancel(this::abandon),
                Disposable::dispose);
    }

    private Flux<CallEvent> pass(CallEvent.Piece piece) {
        lastNanos = System.nanoTime();
        if (!begun.get(piece.choice())) {
            begun.set(piece.choice());
            places.leave();
        }
        return switch (piece.event()) {
            case Prompt prompt -> Flux.just(piece);
            case Text text -> {
                if (heard.getAndAdd(text.tokens()) == 0) {
                    Instant now = clock.instant();
                    firstTokenAt = now;
                    metrics.firstToken(startedAt, now);
                }
                yield Flux.just(piece);
            }
            case Finished finished -> {
                cut |= finished.reason() == FinishReason.LENGTH;
                yield unfinished.decrementAndGet() > 0
                        ? Flux.just(piece)
                        : Mono.fromFuture(settle(cut ? "length" : "stop"), true)
                                .flatMapMany(
                                        usage -> Flux.just(piece, new CallEvent.Settled(usage)));
            }
            case Failed failed ->
                    Mono.fromFuture(settle("failed"), true)
                            .thenMany(Flux.error(new GenerationFailed(failed.message())));
        };
    }

    private static String reason(Throwable error) {
        return error instanceof GenerationStalled ? "timeout" : "failed";
    }

    private Disposable watch() {
        lastNanos = System.nanoTime();
        long tick = Math.min(TICK.toMillis(), patience.shortest().toMillis() / 2 + 1);
        return Schedulers.parallel()
                .schedulePeriodically(this::look, tick, tick, TimeUnit.MILLISECONDS);
    }

    private void look() {
        if (settling.get()) {
            return;
        }
        boolean silent = firstTokenAt == null;
        Duration limit = silent ? patience.firstToken() : patience.betweenTokens();
        if (System.nanoTime() - lastNanos > limit.toNanos()) {
            stalled.tryEmitError(new GenerationStalled(silent, limit));
        } else {
            account.checkpoint(soFar())
                    .thenAccept(held -> {
                        if (!held) {
                            stalled.tryEmitError(
                                    new GenerationFailed(
                                            "the server lost its hold on the tenant's quota"));
                        }
                    });
        }
    }

    /** Nobody listens any more: ends the generations, unless they have ended. */
    void abandon() {
        settle("cancelled");
    }

    /** Completes with what was spent when that is in the ledger, or could not be written. */
    CompletableFuture<Usage> settled() {
        return settled;
    }

    /** The first reason counts; the row is written even if nobody waits for it. */
    private CompletableFuture<Usage> settle(String reason) {
        if (settling.compareAndSet(false, true)) {
            places.leaveAll();
            List<CompletableFuture<Usage>> spent = new ArrayList<>();
            for (Generation generation : generations) {
                generation.close();
                spent.add(generation.usage().toCompletableFuture());
            }
            CompletableFuture.allOf(spent.toArray(CompletableFuture[]::new))
                    .thenAccept(ended -> settle(reason, sum(spent)));
        }
        return settled;
    }

    private void settle(String reason, Usage spent) {
        metrics.ended(reason);
        account.settle(event(reason, spent.promptTokens(), spent.completionTokens()))
                .whenComplete((done, failure) -> {
                    if (failure == null) {
                        settled.complete(spent);
                    } else {
                        settled.completeExceptionally(new UsageNotRecorded(id, failure));
                    }
                });
    }

    /** Each prompt once, if any of its answers was begun. */
    private Usage sum(List<CompletableFuture<Usage>> spent) {
        int prompts = 0;
        int completions = 0;
        for (int first = 0; first < spent.size(); first += order.n()) {
            int prompt = 0;
            for (int i = first; i < first + order.n(); i++) {
                Usage usage = spent.get(i).join();
                prompt = Math.max(prompt, usage.promptTokens());
                completions += usage.completionTokens();
            }
            prompts += prompt;
        }
        return new Usage(prompts, completions);
    }

    /** What is owed if this process dies now: what was passed on and what it came from. */
    private UsageEvent soFar() {
        long prompts = 0;
        for (int first = 0; first < generations.size(); first += order.n()) {
            boolean begun =
                    generations.subList(first, first + order.n()).stream()
                            .anyMatch(generation -> generation.scheduledAt() != null);
            prompts += begun ? order.prompt(first).ids().length : 0;
        }
        return event("lost", prompts, heard.get());
    }

    private UsageEvent event(String reason, long promptTokens, long completionTokens) {
        AdapterRef adapter = order.model().adapter();
        Instant now = clock.instant();
        Optional<Instant> scheduledAt =
                generations.stream()
                        .map(Generation::scheduledAt)
                        .filter(Objects::nonNull)
                        .min(Instant::compareTo);
        return new UsageEvent(
                id,
                order.bearer().tenant().id(),
                order.bearer().keyId(),
                order.model().base(),
                adapter == null ? null : order.model().name(),
                adapter == null ? null : adapter.digest(),
                promptTokens,
                0,
                completionTokens,
                reason,
                startedAt,
                scheduledAt.orElse(null),
                firstTokenAt,
                now,
                scheduledAt
                        .map(at -> Math.max(0, Duration.between(at, now).toMillis()))
                        .orElse(0L));
    }
}
