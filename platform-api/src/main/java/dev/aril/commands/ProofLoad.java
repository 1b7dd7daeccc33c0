package dev.aril.commands;

import dev.aril.tenancy.Quota;
import dev.aril.tenancy.QuotaUnavailable;
import dev.aril.tenancy.Reservation;
import dev.aril.tenancy.ReserveRequest;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.UsageEvent;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BiConsumer;

/**
 * Callers that generate as clients would, without an engine: reserve, sometimes give a checkpoint,
 * sometimes hang up, settle.
 */
final class ProofLoad implements AutoCloseable {
    private final Quota quota;
    private final List<TenantId> tenants;
    private final BiConsumer<String, Long> acknowledged;
    private final List<Thread> callers;
    private volatile boolean over;

    /**
     * @param acknowledged is told each request's id and tokens once its settlement is said to be
     *     durable
     */
    ProofLoad(
            Quota quota,
            List<TenantId> tenants,
            int callers,
            BiConsumer<String, Long> acknowledged) {
        this.quota = quota;
        this.tenants = tenants;
        this.acknowledged = acknowledged;
        this.callers =
                java.util.stream.IntStream.range(0, callers)
                        .mapToObj(i -> Thread.ofVirtual().start(this::call))
                        .toList();
    }

    private void call() {
        while (!over) {
            try {
                one();
            } catch (CompletionException e) {
                if (!(e.getCause() instanceof QuotaUnavailable)) {
                    throw e;
                }
                // a client would hear 503 and come again
                sleep(50);
            }
        }
    }

    private void one() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        TenantId tenant = tenants.get(random.nextInt(tenants.size()));
        long prompt = random.nextLong(1, 40);
        long most = random.nextLong(1, 100);
        String id = "proof-" + UUID.randomUUID();
        var answer =
                quota.reserve(
                                new ReserveRequest(
                                        id,
                                        tenant,
                                        "key" + random.nextInt(3),
                                        random.nextBoolean() ? "adapter" : null,
                                        prompt,
                                        most))
                        .join();
        if (!(answer instanceof Reservation held)) {
            sleep(2);
            return;
        }
        sleep(random.nextInt(4));
        if (random.nextInt(10) == 0) {
            quota.cancel(held).join();
            return;
        }
        long made = random.nextLong(0, most + 1);
        if (random.nextInt(3) == 0) {
            quota.checkpoint(held, event(held, prompt, made / 2)).join();
            sleep(random.nextInt(4));
        }
        UsageEvent event = event(held, prompt, made);
        quota.settle(held, event).join();
        acknowledged.accept(id, event.tokens());
    }

    private static UsageEvent event(Reservation held, long prompt, long made) {
        Instant now = Instant.now();
        return new UsageEvent(
                held.requestId(),
                held.tenant(),
                held.keyId(),
                "proof",
                held.adapter(),
                null,
                prompt,
                0,
                made,
                "stop",
                now,
                now,
                now,
                now,
                1);
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(Duration.ofMillis(millis));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Returns when every caller has ended what it had begun. */
    @Override
    public void close() {
        over = true;
        for (Thread caller : callers) {
            try {
                caller.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
