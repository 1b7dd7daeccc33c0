package dev.aril.tenancy;

import dev.aril.tenancy.QuotaOperation.Cancel;
import dev.aril.tenancy.QuotaOperation.Reserve;
import dev.aril.tenancy.QuotaOperation.Spend;
import java.time.Duration;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * May this be spent? Exact over all processes that share the database.
 *
 * <p>A generation is {@linkplain #reserve reserved} before the engine sees it, and then either
 * {@linkplain #settle settled} or {@linkplain #cancel cancelled}. No call but {@link #admitAdapter}
 * blocks; futures complete on virtual threads, exceptionally with {@link QuotaUnavailable} when the
 * database does not answer in time: then nothing was admitted. A settlement that failed so may be
 * tried again, and is tried on in any case.
 */
public final class Quota {
    /** Then the request is answered 503, and what the database may still admit is taken back. */
    private static final Duration RESERVE_WITHIN = Duration.ofSeconds(5);

    /** Longer than a database needs to start again. */
    private static final Duration SETTLE_WITHIN = Duration.ofSeconds(30);

    private final QuotaBooks books;
    private final JdbcClient sql;

    /** This process's reservations, as far as they are not known to be gone. */
    private final Set<UUID> open = ConcurrentHashMap.newKeySet();

    Quota(QuotaBooks books, JdbcClient sql) {
        this.books = books;
        this.sql = sql;
    }

    /**
     * Holds a place and tokens under all limits of the tenant, the key and the adapter, or none of
     * them.
     */
    public CompletableFuture<Admission> reserve(ReserveRequest request) {
        UUID id = UUID.randomUUID();
        open.add(id);
        CompletableFuture<QuotaAnswer> answer = books.ask(new Reserve(id, request));
        return within(RESERVE_WITHIN, answer)
                .handle((decided, failure) -> {
                    QuotaRefused refused = decided == null ? null : decided.refusal();
                    if (decided == null || refused != null) {
                        open.remove(id);
                    }
                    if (decided == null) {
                        // The books see that nobody waits, and take it back.
                        QuotaUnavailable cause = unavailable(failure);
                        answer.completeExceptionally(cause);
                        throw cause;
                    }
                    return refused != null ? refused : decided.reservation(id, request);
                });
    }

    /**
     * Writes the ledger's row, counts what was spent and lets go of the rest, in one transaction
     * that is durable when the future completes. A second time changes nothing. The event may hold
     * more than was reserved: it was spent.
     */
    public CompletableFuture<Settlement> settle(Reservation reservation, UsageEvent event) {
        sameGeneration(reservation, event);
        CompletableFuture<QuotaAnswer> answer =
                books.ask(new Spend(true, reservation.id(), reservation.admittedAt(), event));
        // Held in any case until the books know better, even when nobody waits any more.
        answer.thenRun(() -> open.remove(reservation.id()));
        return told(
                within(SETTLE_WITHIN, answer),
                decided ->
                        decided.outcome().equals("recorded")
                                ? Settlement.RECORDED
                                : Settlement.ALREADY_RECORDED);
    }

    /**
     * Notes what a long generation has spent so far, so that it is owed even if this process dies.
     *
     * @return false if the reservation is gone, because this process was taken for dead: the
     *     generation must end, and be settled
     */
    public CompletableFuture<Boolean> checkpoint(Reservation reservation, UsageEvent soFar) {
        sameGeneration(reservation, soFar);
        return told(
                within(
                        SETTLE_WITHIN,
                        books.ask(
                                new Spend(
                                        false, reservation.id(), reservation.admittedAt(), soFar))),
                decided -> decided.outcome().equals("kept"));
    }

    /** Lets go of everything: the engine made nothing, and nothing is owed. */
    public CompletableFuture<Void> cancel(Reservation reservation) {
        CompletableFuture<QuotaAnswer> answer =
                books.ask(new Cancel(reservation.id(), reservation.tenant()));
        answer.thenRun(() -> open.remove(reservation.id()));
        return within(SETTLE_WITHIN, answer).thenAccept(_ -> {});
    }

    /**
     * Asks whether one more adapter fits; to be called in the {@linkplain RowSecurity#of
     * transaction} that writes its row, before that. Other adapters of the tenant wait until it
     * ends. Blocks on SQL.
     *
     * @throws QuotaExceeded if it does not
     */
    public void admitAdapter(TenantId tenant, long bytes) {
        sql.sql("select * from quota_admit_adapter(:tenant, :bytes)")
                .param("tenant", tenant.value())
                .param("bytes", bytes)
                .query(QuotaAnswer::of)
                .optional()
                .map(QuotaAnswer::refusal)
                .ifPresent(refusal -> {
                    throw new QuotaExceeded(refusal);
                });
    }

    /** Whether this process still owes a reservation its end. */
    boolean holds(UUID reservation) {
        return open.contains(reservation);
    }

    /** A row of this process that nobody here knows: its answer was lost on the way. */
    void forget(UUID reservation, TenantId tenant) {
        books.ask(new Cancel(reservation, tenant));
    }

    private static void sameGeneration(Reservation reservation, UsageEvent event) {
        if (!reservation.requestId().equals(event.requestId())
                || !reservation.tenant().equals(event.tenant())) {
            throw new IllegalArgumentException(
                    "the event of "
                            + event.requestId()
                            + " does not settle the reservation of "
                            + reservation.requestId());
        }
    }

    private static CompletableFuture<QuotaAnswer> within(
            Duration time, CompletableFuture<QuotaAnswer> answer) {
        return answer.copy().orTimeout(time.toMillis(), TimeUnit.MILLISECONDS);
    }

    private static <T> CompletableFuture<T> told(
            CompletableFuture<QuotaAnswer> answer, Function<QuotaAnswer, T> how) {
        return answer.handle((decided, failure) -> {
            if (decided == null) {
                throw unavailable(failure);
            }
            return how.apply(decided);
        });
    }

    private static QuotaUnavailable unavailable(@Nullable Throwable failure) {
        Throwable cause =
                failure instanceof CompletionException wrapped && wrapped.getCause() != null
                        ? wrapped.getCause()
                        : failure;
        return switch (cause) {
            case QuotaUnavailable known -> known;
            case TimeoutException late ->
                    new QuotaUnavailable("the database did not answer in time", late);
            case null -> new QuotaUnavailable("no answer", new IllegalStateException());
            default -> new QuotaUnavailable("the quota's books cannot be written", cause);
        };
    }
}
