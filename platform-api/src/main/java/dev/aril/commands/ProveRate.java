package dev.aril.commands;

import dev.aril.tenancy.Admission;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.Reservation;
import dev.aril.tenancy.ReserveRequest;
import dev.aril.tenancy.Tenancy;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.UsageEvent;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code prove rate}: what authentication, quota and ledger cost, without an engine or HTTP. */
@Command(
        name = "rate",
        description = {
            "How long authentication, reservation and settlement of a request take together at a given",
            "rate, and how many a second are settled durably at most."
        },
        mixinStandardHelpOptions = true)
final class ProveRate implements Callable<Integer> {
    @Option(names = "--rate", defaultValue = "200", description = "requests a second")
    private int rate;

    @Option(names = "--seconds", defaultValue = "20", description = "length of each part")
    private int seconds;

    @Option(names = "--tenants", defaultValue = "20", description = "tenants")
    private int tenantCount;

    private final PrintStream out = System.out;

    private record Caller(TenantId tenant, String key) {}

    @Override
    public Integer call() throws Exception {
        try (ProofDatabase database = ProofDatabase.start();
                ProofDatabase.Server server = database.replica()) {
            Tenancy tenancy = server.tenancy();
            List<Caller> callers = callers(tenancy);
            // the JVM's compiler and the database's plans, before anything is measured
            open(tenancy, callers, rate, 5);
            long[] nanos = open(tenancy, callers, rate, seconds);
            out.printf(
                    Locale.ROOT,
                    "at %d requests/s: p50 %.2f ms, p99 %.2f ms, worst %.2f ms%n",
                    rate,
                    at(nanos, 0.50),
                    at(nanos, 0.99),
                    at(nanos, 1.0));
            for (int parallel : new int[] {1, 16, 64}) {
                out.printf(
                        Locale.ROOT,
                        "%2d at a time: %d settled a second%n",
                        parallel,
                        closed(tenancy, callers, parallel));
            }
            boolean holds = tenancy.ledger().conservation().holds();
            out.printf(
                    "used and reserved equal the sums of their rows: %s%n", holds ? "yes" : "NO");
            return holds ? 0 : 1;
        }
    }

    private List<Caller> callers(Tenancy tenancy) {
        List<Caller> callers = new ArrayList<>();
        for (int i = 0; i < tenantCount; i++) {
            TenantId tenant = tenancy.tenants().create(ProofLedger.PROOF, "rate-" + i).id();
            for (Metric metric :
                    List.of(
                            Metric.REQUESTS_PER_MINUTE,
                            Metric.TOKENS_PER_MINUTE,
                            Metric.TOKENS_PER_MONTH,
                            Metric.CONCURRENT_REQUESTS)) {
                tenancy.limits()
                        .set(
                                ProofLedger.PROOF,
                                tenant,
                                Limit.hard(QuotaScope.TENANT, metric, 1_000_000_000L));
            }
            callers.add(
                    new Caller(
                            tenant,
                            tenancy.keys()
                                    .create(ProofLedger.PROOF, tenant, "k", KeyScope.ALL, null)
                                    .secret()));
        }
        return callers;
    }

    /** One request begins each so often, whether or not those before it have ended. */
    private static long[] open(Tenancy tenancy, List<Caller> callers, int rate, int seconds)
            throws InterruptedException {
        int count = rate * seconds;
        long[] nanos = new long[count];
        CountDownLatch left = new CountDownLatch(count);
        long begun = System.nanoTime();
        for (int i = 0; i < count; i++) {
            long due = begun + TimeUnit.SECONDS.toNanos(i) / rate;
            for (long wait = due - System.nanoTime(); wait > 0; wait = due - System.nanoTime()) {
                LockSupport.parkNanos(wait);
            }
            int n = i;
            Thread.ofVirtual()
                    .start(() -> {
                        try {
                            one(tenancy, callers.get(n % callers.size()));
                            nanos[n] = System.nanoTime() - due;
                        } finally {
                            left.countDown();
                        }
                    });
        }
        left.await();
        Arrays.sort(nanos);
        return nanos;
    }

    private long closed(Tenancy tenancy, List<Caller> callers, int parallel)
            throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(Math.max(1, seconds / 4)).toNanos();
        long begun = System.nanoTime();
        ConcurrentLinkedQueue<Integer> counts = new ConcurrentLinkedQueue<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < parallel; i++) {
            Caller caller = callers.get(i % callers.size());
            threads.add(
                    Thread.ofVirtual()
                            .start(() -> {
                                int done = 0;
                                while (System.nanoTime() < end) {
                                    one(tenancy, caller);
                                    done++;
                                }
                                counts.add(done);
                            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        long settled = counts.stream().mapToLong(Integer::longValue).sum();
        return settled * 1_000_000_000L / (System.nanoTime() - begun);
    }

    private static void one(Tenancy tenancy, Caller caller) {
        if (tenancy.keys().identify(caller.key()).isEmpty()) {
            throw new IllegalStateException("a valid key is refused");
        }
        String id = "rate-" + UUID.randomUUID();
        Admission answer =
                tenancy.quota()
                        .reserve(new ReserveRequest(id, caller.tenant(), "key", null, 30, 100))
                        .join();
        if (!(answer instanceof Reservation held)) {
            throw new IllegalStateException("refused within a limit that is far away: " + answer);
        }
        Instant now = Instant.now();
        tenancy.quota()
                .settle(
                        held,
                        new UsageEvent(
                                id,
                                caller.tenant(),
                                "key",
                                "proof",
                                null,
                                null,
                                30,
                                0,
                                50,
                                "stop",
                                now,
                                now,
                                now,
                                now,
                                1))
                .join();
    }

    private static double at(long[] sorted, double share) {
        return sorted[(int) Math.min(sorted.length - 1, Math.floor(sorted.length * share))] / 1e6;
    }
}
