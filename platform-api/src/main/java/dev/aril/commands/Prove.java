package dev.aril.commands;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code prove}: shows on this machine what the README says of quotas and the ledger. */
@Command(
        name = "prove",
        description = {
            "Shows what is said of quotas and the ledger, on a database of its own: exactness over",
            "replicas, nothing lost when one or the database is killed, and how fast it is."
        },
        subcommands = {
            ProveQuota.class,
            ProveKills.class,
            ProveDatabaseKills.class,
            ProveRate.class,
            ProofReplica.class
        })
public final class Prove implements Runnable {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Override
    public void run() {
        spec.commandLine().usage(System.out);
    }
}
