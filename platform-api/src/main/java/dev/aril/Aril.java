package dev.aril;

import dev.aril.commands.AccountCommands;
import dev.aril.commands.AuditCommands;
import dev.aril.commands.Bench;
import dev.aril.commands.BenchImport;
import dev.aril.commands.Evaluate;
import dev.aril.commands.Import;
import dev.aril.commands.KeyCommands;
import dev.aril.commands.Overhead;
import dev.aril.commands.PriceCommands;
import dev.aril.commands.Prove;
import dev.aril.commands.QuotaCommands;
import dev.aril.commands.TenantCommands;
import dev.aril.commands.UsageCommands;
import dev.aril.commands.WebhookCommands;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.UnsupportedCheckpoint;
import java.io.IOException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The program's one entry: picks the command; without one it explains itself. */
@Command(
        name = "aril",
        description =
                "Serves thousands of tenants' LoRA adapters from one shared 4-bit base model.",
        subcommands = {
            Serve.class,
            Import.class,
            Evaluate.class,
            Bench.class,
            BenchImport.class,
            Prove.class,
            TenantCommands.class,
            KeyCommands.class,
            QuotaCommands.class,
            UsageCommands.class,
            AuditCommands.class,
            AccountCommands.class,
            PriceCommands.class,
            WebhookCommands.class,
            Overhead.class,
            HelpCommand.class
        },
        mixinStandardHelpOptions = true,
        version = "aril 0.1.0")
public final class Aril implements Runnable {
    @Spec CommandSpec spec = CommandSpec.create();

    @Override
    public void run() {
        spec.commandLine().usage(System.out);
    }

    public static void main(String[] args) {
        if (args.length > 0 && !args[0].equals("serve")) {
            // before the first logger is made; the server's logging is Spring's
            System.setProperty("logback.configurationFile", "commands-logback.xml");
        }
        int status =
                new CommandLine(new Aril())
                        .setExecutionExceptionHandler(Aril::explain)
                        .execute(args);
        // A server lives on in its own threads after its command has returned.
        if (status != Serve.SERVING) {
            System.exit(status);
        }
    }

    /** What the user can mend is told in a line; anything else with its stack trace. */
    private static int explain(
            Exception failure, CommandLine command, CommandLine.ParseResult parsed)
            throws Exception {
        if (failure instanceof IllegalArgumentException
                || failure instanceof IOException
                || failure instanceof UnsupportedCheckpoint
                || failure instanceof AdapterRejected) {
            command.getErr().println(command.getCommandName() + ": " + failure.getMessage());
            return 1;
        }
        throw failure;
    }
}
