package dev.aril.commands;

import dev.aril.tenancy.Admission;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaExceeded;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.Reservation;
import dev.aril.tenancy.ReserveRequest;
import dev.aril.tenancy.Tenancy;
import dev.aril.tenancy.TenantId;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.springframework.jdbc.core.simple.JdbcClient;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code prove quota}: several replicas admit exactly what a limit allows. */
@Command(
        name = "quota",
        description = {
            "Many concurrent attempts over several replicas against each kind of limit: admitted must",
            "be exactly the limit. Ends with 1 if it is not."
        },
        mixinStandardHelpOptions = true)
final class ProveQuota implements Callable<Integer> {
    private static final long TOKENS = 40;

    @Option(names = "--trials", defaultValue = "50", description = "trials of each kind of limit")
    private int trials;

    @Option(names = "--attempts", defaultValue = "2000", description = "attempts of a trial")
    private int attempts;

    @Option(names = "--replicas", defaultValue = "3", description = "replicas")
    private int replicas;

    private final PrintStream out = System.out;

    @Override
    public Integer call() throws Exception {
        boolean exact = true;
        try (ProofDatabase database = ProofDatabase.start()) {
            List<ProofDatabase.Server> servers = new ArrayList<>();
            try {
                for (int i = 0; i < replicas; i++) {
                    servers.add(database.replica());
                }
                out.printf(
                        Locale.ROOT,
                        "%d replicas on one PostgreSQL, %d attempts, %d trials%n%-22s %8s %10s %5s %12s %8s%n",
                        replicas,
                        attempts,
                        trials,
                        "limit",
                        "allowed",
                        "admitted",
                        "over",
                        "utilisation",
                        "ms/trial");
                for (Metric metric : Metric.values()) {
                    exact &= prove(servers, metric);
                }
                var conservation = servers.getFirst().tenancy().ledger().conservation();
                conservation.differences().forEach(out::println);
                out.printf(
                        "used and reserved equal the sums of their rows: %s%n",
                        conservation.holds() ? "yes" : "NO");
                exact &= conservation.holds();
            } finally {
                servers.forEach(ProofDatabase.Server::close);
            }
        }
        return exact ? 0 : 1;
    }

    private boolean prove(List<ProofDatabase.Server> servers, Metric metric) throws Exception {
        long allowed = Math.max(1, attempts / 4);
        long most = 0;
        long least = Long.MAX_VALUE;
        long begun = System.nanoTime();
        for (int trial = 0; trial < trials; trial++) {
            long admitted =
                    metric.stored()
                            ? stored(servers, metric, allowed)
                            : asked(servers, metric, allowed);
            most = Math.max(most, admitted);
            least = Math.min(least, admitted);
        }
        out.printf(
                Locale.ROOT,
                "%-22s %8d %10s %5d %11.2f%% %8d%n",
                metric.text(),
                allowed,
                least == most ? Long.toString(least) : least + "-" + most,
                Math.max(0, most - allowed),
                100.0 * least / allowed,
                (System.nanoTime() - begun) / 1_000_000 / trials);
        return most == allowed && least == allowed;
    }

    private long asked(List<ProofDatabase.Server> servers, Metric metric, long allowed) {
        long each = metric.text().startsWith("tokens") ? TOKENS : 1;
        TenantId tenant = tenant(servers, metric, allowed * each);
        List<CompletableFuture<Admission>> answers = new ArrayList<>();
        for (int i = 0; i < attempts; i++) {
            answers.add(
                    servers.get(i % servers.size())
                            .tenancy()
                            .quota()
                            .reserve(
                                    new ReserveRequest(
                                            "q-" + UUID.randomUUID(),
                                            tenant,
                                            "key",
                                            null,
                                            TOKENS / 2,
                                            TOKENS / 2)));
        }
        List<Reservation> admitted = new ArrayList<>();
        for (CompletableFuture<Admission> answer : answers) {
            if (answer.join() instanceof Reservation held) {
                admitted.add(held);
            }
        }
        // let go of, so that the next trial's sweeps have nothing to look at
        CompletableFuture.allOf(
                        admitted.stream()
                                .map(servers.getFirst().tenancy().quota()::cancel)
                                .toArray(CompletableFuture<?>[]::new))
                .join();
        return admitted.size();
    }

    /** Rows as the adapter store writes them, each in the transaction that asks. */
    private long stored(List<ProofDatabase.Server> servers, Metric metric, long allowed)
            throws Exception {
        long bytes = 1000;
        TenantId tenant =
                tenant(servers, metric, metric == Metric.ADAPTERS ? allowed : allowed * bytes);
        List<Callable<Boolean>> tries = new ArrayList<>();
        for (int i = 0; i < attempts; i++) {
            ProofDatabase.Server server = servers.get(i % servers.size());
            String name = "a" + i;
            tries.add(() -> store(server, tenant, name, bytes));
        }
        long admitted = 0;
        // as many at a time as there are connections, or the pools' own queues would time out
        try (ExecutorService threads = Executors.newFixedThreadPool(4 * servers.size())) {
            for (Future<Boolean> done : threads.invokeAll(tries)) {
                admitted += done.get() ? 1 : 0;
            }
        }
        return admitted;
    }

    private static boolean store(
            ProofDatabase.Server server, TenantId tenant, String name, long bytes) {
        try {
            return server.tenancy()
                    .rows()
                    .of(
                            tenant,
                            () -> {
                                server.tenancy().quota().admitAdapter(tenant, bytes);
                                return JdbcClient.create(server.pool())
                                                .sql(
                                                        """
                                                        insert into adapters (
                                                            id, tenant_id, name, digest, rank, targets, parameters,
                                                            bytes, created_at)
                                                        values (
                                                            gen_random_uuid(), :tenant, :name, repeat('a', 64), 1,
                                                            '[]', 1, :bytes, now())
                                                        """)
                                                .param("tenant", tenant.value())
                                                .param("name", name)
                                                .param("bytes", bytes)
                                                .update()
                                        == 1;
                            });
        } catch (QuotaExceeded refused) {
            return false;
        }
    }

    private static TenantId tenant(List<ProofDatabase.Server> servers, Metric metric, long hard) {
        Tenancy tenancy = servers.getFirst().tenancy();
        TenantId tenant =
                tenancy.tenants()
                        .create(ProofLedger.PROOF, "q" + Long.toString(System.nanoTime(), 36))
                        .id();
        tenancy.limits()
                .set(ProofLedger.PROOF, tenant, Limit.hard(QuotaScope.TENANT, metric, hard));
        return tenant;
    }
}
