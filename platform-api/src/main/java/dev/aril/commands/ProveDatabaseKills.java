package dev.aril.commands;

import dev.aril.tenancy.TenantId;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code prove database-kills}: PostgreSQL dies under load, and nothing acknowledged is lost. */
@Command(
        name = "database-kills",
        description = {
            "Kills PostgreSQL (SIGKILL) under the load of several replicas and starts it again.",
            "Nothing acknowledged may be lost or doubled, and the counters must balance."
        },
        mixinStandardHelpOptions = true)
final class ProveDatabaseKills implements Callable<Integer> {
    @Option(names = "--kills", defaultValue = "20", description = "how many")
    private int kills;

    @Option(names = "--replicas", defaultValue = "3", description = "replicas")
    private int replicas;

    private final PrintStream out = System.out;

    @Override
    public Integer call() throws Exception {
        try (ProofDatabase database = ProofDatabase.start()) {
            List<ProofDatabase.Server> servers = new ArrayList<>();
            List<ProofLoad> loads = new ArrayList<>();
            try {
                for (int i = 0; i < replicas; i++) {
                    servers.add(database.replica());
                }
                ProofLedger ledger = new ProofLedger(database.sql());
                List<TenantId> tenants = ProofLedger.tenants(servers.getFirst().tenancy());
                for (ProofDatabase.Server server : servers) {
                    loads.add(
                            new ProofLoad(
                                    server.tenancy().quota(), tenants, 8, ledger::acknowledge));
                }
                Duration longest = kill(database, ledger);
                loads.forEach(ProofLoad::close);
                awaitNothingHeld(servers.getFirst());
                return report(servers.getFirst(), ledger, longest) ? 0 : 1;
            } finally {
                loads.forEach(ProofLoad::close);
                servers.forEach(ProofDatabase.Server::close);
            }
        }
    }

    private Duration kill(ProofDatabase database, ProofLedger ledger) throws Exception {
        Random random = new Random(1);
        Duration longest = Duration.ZERO;
        for (int kill = 1; kill <= kills; kill++) {
            Thread.sleep(random.nextInt(500, 2500));
            long before = ledger.acknowledged();
            long killed = System.nanoTime();
            database.killAndRestart();
            while (ledger.acknowledged() <= before + 20) {
                Thread.sleep(20);
                if (System.nanoTime() - killed > Duration.ofMinutes(2).toNanos()) {
                    throw new IllegalStateException("nothing is settled two minutes after a kill");
                }
            }
            Duration took = Duration.ofNanos(System.nanoTime() - killed);
            longest = took.compareTo(longest) > 0 ? took : longest;
            out.printf(
                    Locale.ROOT,
                    "kill %d: serving again after %.1f s, %d acknowledged, %d lost%n",
                    kill,
                    took.toMillis() / 1000.0,
                    ledger.acknowledged(),
                    ledger.lost());
        }
        return longest;
    }

    /** What lost its answer in a kill is taken back by its own replica. */
    private static void awaitNothingHeld(ProofDatabase.Server server) throws InterruptedException {
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (server.tenancy().ledger().conservation().reservations() > 0
                && System.nanoTime() < deadline) {
            Thread.sleep(200);
        }
    }

    private boolean report(ProofDatabase.Server server, ProofLedger ledger, Duration longest) {
        out.printf("kills -9 of PostgreSQL under load    %d%n", kills);
        boolean holds = ledger.report(out, server.tenancy().ledger().conservation());
        out.printf(
                Locale.ROOT,
                "settling again after at most         %.1f s%n",
                longest.toMillis() / 1000.0);
        return holds;
    }
}
