package dev.aril.commands;

import dev.aril.tenancy.TenantId;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * {@code prove replica}: a process under load, to be killed by {@code prove kills}. Says its
 * replica's id, then each request that was acknowledged, a line each.
 */
@Command(name = "replica", hidden = true)
final class ProofReplica implements Callable<Integer> {
    @Option(names = "--url", required = true)
    private String url = "";

    @Option(names = "--folder", required = true)
    private Path folder = Path.of("");

    @Parameters private List<UUID> tenants = List.of();

    @Override
    @SuppressWarnings("try") // the load runs until the process is killed
    public Integer call() throws Exception {
        PrintStream out = System.out;
        try (var server = ProofDatabase.replica(url, folder)) {
            out.println("replica " + server.tenancy().replica());
            out.flush();
            try (var load =
                    new ProofLoad(
                            server.tenancy().quota(),
                            tenants.stream().map(TenantId::new).toList(),
                            8,
                            (id, tokens) -> {
                                synchronized (out) {
                                    // its end is seen, so that a line cut short is told
                                    out.print("ack " + id + " " + tokens + " .\n");
                                    out.flush();
                                }
                            })) {
                new CountDownLatch(1).await();
            }
        }
        return 0;
    }
}
