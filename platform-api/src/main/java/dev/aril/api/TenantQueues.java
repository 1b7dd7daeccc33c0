package dev.aril.api;

import dev.aril.tenancy.TenantId;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.http.HttpStatus;

/**
 * How many sequences of a tenant wait for their first token here? A bound of its own for each, so
 * that one that sends too much hears so itself, before the engine's queue is full for all.
 */
final class TenantQueues {
    private static final Duration SOON = Duration.ofSeconds(1);

    private final int most;
    private final Map<TenantId, Integer> waiting = new ConcurrentHashMap<>();

    /**
     * @param most sequences of a tenant that may wait
     */
    TenantQueues(int most) {
        if (most < Order.MOST_CHOICES) {
            throw new IllegalArgumentException(
                    "aril.queue.tenant must be at least "
                            + Order.MOST_CHOICES
                            + ", the choices of one request, not "
                            + most);
        }
        this.most = most;
    }

    /** Places of one request's sequences. */
    final class Places {
        private final TenantId tenant;
        private final AtomicInteger left;

        private Places(TenantId tenant, int count) {
            this.tenant = tenant;
            this.left = new AtomicInteger(count);
        }

        /** One of them waits no longer. */
        void leave() {
            if (left.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
                add(tenant, -1);
            }
        }

        /** None of them waits any longer. */
        void leaveAll() {
            add(tenant, -left.getAndSet(0));
        }
    }

    /**
     * @throws Refusal 429 if there are not so many places left
     */
    Places enter(TenantId tenant, int count) {
        waiting.compute(
                tenant,
                (id, before) -> {
                    int now = (before == null ? 0 : before) + count;
                    if (now > most) {
                        throw new Refusal(full(before == null ? 0 : before));
                    }
                    return now;
                });
        return new Places(tenant, count);
    }

    private void add(TenantId tenant, int more) {
        waiting.computeIfPresent(
                tenant, (id, before) -> before + more == 0 ? null : (Integer) (before + more));
    }

    private Problem full(int before) {
        return new Problem(
                        HttpStatus.TOO_MANY_REQUESTS,
                        "requests",
                        before
                                + " sequences of yours wait for their first token already; at most "
                                + most
                                + " may. Send fewer at once, or try again when some have begun.",
                        null,
                        "tenant_queue_full",
                        Map.of())
                .retryAfter(SOON);
    }
}
