package dev.aril.tenancy;

import dev.aril.tenancy.QuotaOperation.Cancel;
import dev.aril.tenancy.QuotaOperation.Reserve;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.dao.DataAccessException;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.jdbc.BadSqlGrammarException;
import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * Writes this process's part of the books: one thread, one transaction at a time, which takes in
 * all that was asked while the one before was under way. A busy server so writes large
 * transactions, an idle one small ones at once, and neither waits for a timer.
 *
 * <p>What must be written is tried until it is; a reservation is not: it fails, and whatever the
 * database may have made of it is taken back.
 */
final class QuotaBooks implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(QuotaBooks.class);

    /** A quarter of a millisecond each: none waits long for its neighbours. */
    private static final int MOST_AT_ONCE = 128;

    private static final Duration PAUSE = Duration.ofMillis(100);

    private record Asked(QuotaOperation operation, CompletableFuture<QuotaAnswer> answer) {}

    private final JdbcClient sql;
    private final UUID replica;
    private final Supplier<Duration> ahead;
    private final CircuitBreaker breaker;
    private final LinkedBlockingQueue<Asked> asked = new LinkedBlockingQueue<>();
    private final ExecutorService answering = Executors.newVirtualThreadPerTaskExecutor();
    private final Thread writer = new Thread(this::write, "quota-books");
    private volatile boolean closing;

    /**
     * @param ahead what is added to the database's clock
     */
    QuotaBooks(JdbcClient sql, UUID replica, Supplier<Duration> ahead) {
        this.sql = sql;
        this.replica = replica;
        this.ahead = ahead;
        this.breaker = CircuitBreaker.of("quota-books", DatabaseBreaker.SETTINGS);
        writer.setDaemon(true);
        writer.start();
    }

    /** Completes on a virtual thread; see {@link Quota} for how it may fail. */
    CompletableFuture<QuotaAnswer> ask(QuotaOperation operation) {
        CompletableFuture<QuotaAnswer> answer = new CompletableFuture<>();
        if (closing) {
            answer.completeExceptionally(
                    new QuotaUnavailable(
                            "the server is shutting down", new IllegalStateException("closed")));
        } else {
            asked.add(new Asked(operation, answer));
        }
        return answer;
    }

    private void write() {
        List<Asked> again = new ArrayList<>();
        try {
            while (!closing || !asked.isEmpty()) {
                List<Asked> batch = new ArrayList<>(again);
                again.clear();
                if (batch.isEmpty()) {
                    Asked first = asked.poll(PAUSE.toMillis(), TimeUnit.MILLISECONDS);
                    if (first == null) {
                        continue;
                    }
                    batch.add(first);
                }
                asked.drainTo(batch, Math.max(0, MOST_AT_ONCE - batch.size()));
                // whoever asked has given up: nothing is reserved for nobody
                batch.removeIf(a -> a.operation() instanceof Reserve && a.answer().isDone());
                again.addAll(attempt(batch));
                if (!again.isEmpty() && !closing) {
                    Thread.sleep(PAUSE.toMillis());
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        for (Asked left : again) {
            fail(left, new IllegalStateException("shut down before the database answered"));
        }
    }

    /** Returns what is to be tried again. */
    private List<Asked> attempt(List<Asked> batch) {
        if (batch.isEmpty()) {
            return List.of();
        }
        try {
            List<QuotaAnswer> answers = execute(batch);
            IntStream.range(0, batch.size()).forEach(i -> answer(batch.get(i), answers.get(i)));
            return List.of();
        } catch (DataIntegrityViolationException | BadSqlGrammarException e) {
            if (batch.size() == 1) {
                fail(batch.getFirst(), e);
                return List.of();
            }
            // One cannot be written: the others are not to suffer.
            List<Asked> again = new ArrayList<>();
            batch.forEach(one -> again.addAll(attempt(List.of(one))));
            return again;
        } catch (RuntimeException e) {
            LOG.warn("the quota's books cannot be written: {}", rootMessage(e));
            List<Asked> again = new ArrayList<>();
            for (Asked one : batch) {
                if (one.operation() instanceof Reserve reserve) {
                    fail(one, e);
                    again.add(takingBack(reserve));
                } else {
                    again.add(one);
                }
            }
            return again;
        }
    }

    private List<QuotaAnswer> execute(List<Asked> batch) {
        return breaker.executeSupplier(() ->
                sql.sql(
                                """
                                select * from quota_books(
                                    :batch::jsonb, :replica, make_interval(secs => :ahead))
                                order by n
                                """)
                        .param(
                                "batch",
                                QuotaOperation.batch(batch.stream().map(Asked::operation).toList()))
                        .param("replica", replica)
                        .param("ahead", ahead.get().toMillis() / 1000.0)
                        .query(QuotaAnswer::of)
                        .list());
    }

    private void answer(Asked one, QuotaAnswer answer) {
        answering.execute(() -> {
            boolean heard = one.answer().complete(answer);
            if (!heard
                    && one.operation() instanceof Reserve reserve
                    && answer.outcome().equals("admitted")) {
                asked.add(takingBack(reserve));
            }
        });
    }

    private void fail(Asked one, Exception cause) {
        answering.execute(() ->
                one.answer()
                        .completeExceptionally(
                                new QuotaUnavailable(
                                        "the quota's books cannot be written", cause)));
    }

    /** The commit may have gone through, and only the answer been lost. */
    private static Asked takingBack(Reserve reserve) {
        return new Asked(new Cancel(reserve.id(), reserve.tenant()), new CompletableFuture<>());
    }

    private static String rootMessage(RuntimeException e) {
        return e instanceof DataAccessException data
                ? String.valueOf(data.getMostSpecificCause().getMessage())
                : String.valueOf(e.getMessage());
    }

    /** Writes what was asked before, as long as the database answers. */
    @Override
    public void close() {
        closing = true;
        try {
            writer.join(Duration.ofSeconds(5));
            writer.interrupt();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        answering.close();
    }
}
