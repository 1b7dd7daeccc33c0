package dev.aril.commands;

import dev.aril.tenancy.TenantId;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.springframework.jdbc.core.simple.JdbcClient;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code prove kills}: replicas die under load, and nothing that was acknowledged is lost. */
@Command(
        name = "kills",
        description = {
            "Kills replica processes under load (SIGKILL), one after the other, beside one that stays.",
            "Nothing acknowledged may be lost or doubled, and what they held is free in 30 s."
        },
        mixinStandardHelpOptions = true)
final class ProveKills implements Callable<Integer> {
    @Option(names = "--kills", defaultValue = "200", description = "how many")
    private int kills;

    @Option(names = "--replicas", defaultValue = "3", description = "processes at a time")
    private int replicas;

    private final PrintStream out = System.out;
    private final Random random = new Random(1);

    /** A process, and what it says. */
    private record Child(
            Process process, CompletableFuture<UUID> replica, CompletableFuture<Void> heard) {}

    @Override
    public Integer call() throws Exception {
        try (ProofDatabase database = ProofDatabase.start();
                ProofDatabase.Server staying = database.replica()) {
            List<TenantId> tenants = ProofLedger.tenants(staying.tenancy());
            ProofLedger ledger = new ProofLedger(database.sql());
            Leases leases = new Leases(database.sql());
            List<Child> children = new ArrayList<>();
            for (int i = 0; i < replicas; i++) {
                children.add(start(database, tenants, ledger));
            }
            for (int kill = 1; kill <= kills; kill++) {
                int which = random.nextInt(children.size());
                Child child = children.get(which);
                UUID replica = await(child);
                Thread.sleep(random.nextInt(100, 800));
                child.process().destroyForcibly();
                leases.killed(replica);
                child.process().waitFor();
                child.heard().get(30, TimeUnit.SECONDS);
                if (kill < kills) {
                    children.set(which, start(database, tenants, ledger));
                } else {
                    children.remove(which);
                }
                if (kill % 20 == 0) {
                    out.printf("%d kills, %d acknowledged%n", kill, ledger.acknowledged());
                }
            }
            for (Child child : children) {
                leases.killed(await(child));
                child.process().destroyForcibly();
                child.heard().get(30, TimeUnit.SECONDS);
            }
            leases.awaitAll();
            return report(staying, ledger, leases) ? 0 : 1;
        }
    }

    private boolean report(ProofDatabase.Server staying, ProofLedger ledger, Leases leases) {
        out.printf("kills -9 of a replica under load     %d%n", kills);
        boolean holds = ledger.report(out, staying.tenancy().ledger().conservation());
        out.printf(
                Locale.ROOT,
                "leases free after at most            %.1f s%n",
                leases.longest().toMillis() / 1000.0);
        return holds && leases.longest().compareTo(Duration.ofSeconds(30)) <= 0;
    }

    private static Child start(ProofDatabase database, List<TenantId> tenants, ProofLedger ledger)
            throws IOException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                System.getProperty("java.home") + "/bin/java",
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+UseSerialGC",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                "dev.aril.Aril",
                                "prove",
                                "replica",
                                "--url",
                                database.url(),
                                "--folder",
                                database.folder().toString()));
        tenants.forEach(tenant -> command.add(tenant.toString()));
        Process process =
                new ProcessBuilder(command)
                        .redirectError(database.folder().resolve("replicas.log").toFile())
                        .start();
        CompletableFuture<UUID> replica = new CompletableFuture<>();
        CompletableFuture<Void> heard =
                CompletableFuture.runAsync(
                        () -> listen(process.inputReader(), replica, ledger),
                        work -> Thread.ofVirtual().start(work));
        return new Child(process, replica, heard);
    }

    private static void listen(
            BufferedReader said, CompletableFuture<UUID> replica, ProofLedger ledger) {
        try (said) {
            for (String line = said.readLine(); line != null; line = said.readLine()) {
                String[] words = line.split(" ", -1);
                if (words[0].equals("replica") && words.length == 2) {
                    replica.complete(UUID.fromString(words[1]));
                } else if (words[0].equals("ack") && words.length == 4 && words[3].equals(".")) {
                    ledger.acknowledge(words[1], Long.parseLong(words[2]));
                }
            }
        } catch (IOException killed) {
            // with the process
        } finally {
            replica.completeExceptionally(
                    new IllegalStateException("the replica ended before it served"));
        }
    }

    private static UUID await(Child child)
            throws InterruptedException, ExecutionException, TimeoutException {
        return child.replica().get(60, TimeUnit.SECONDS);
    }

    /** When did what the dead held become free? */
    private static final class Leases {
        private final Map<UUID, Long> held = new HashMap<>();
        private final JdbcClient sql;
        private Duration longest = Duration.ZERO;
        private volatile boolean over;

        Leases(JdbcClient sql) {
            this.sql = sql;
            Thread.ofVirtual()
                    .start(() -> {
                        while (!over) {
                            look();
                            LockSupport.parkNanos(Duration.ofMillis(200).toNanos());
                        }
                    });
        }

        synchronized void killed(UUID replica) {
            held.put(replica, System.nanoTime());
        }

        private synchronized void look() {
            if (held.isEmpty()) {
                return;
            }
            List<UUID> still =
                    sql.sql("select distinct replica from reservations")
                            .query((row, _) -> row.getObject(1, UUID.class))
                            .list();
            long now = System.nanoTime();
            held.entrySet()
                    .removeIf(entry -> {
                        if (still.contains(entry.getKey())) {
                            return false;
                        }
                        Duration took = Duration.ofNanos(now - entry.getValue());
                        longest = took.compareTo(longest) > 0 ? took : longest;
                        return true;
                    });
        }

        void awaitAll() throws InterruptedException {
            long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (!allFree() && System.nanoTime() < deadline) {
                Thread.sleep(100);
            }
            over = true;
        }

        private synchronized boolean allFree() {
            return held.isEmpty();
        }

        synchronized Duration longest() {
            return held.isEmpty() ? longest : Duration.ofDays(1);
        }
    }
}
