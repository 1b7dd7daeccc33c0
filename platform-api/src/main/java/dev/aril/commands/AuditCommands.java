package dev.aril.commands;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code audit}: what administrators did. */
@Command(
        name = "audit",
        description = "Shows and verifies the log of administrative acts.",
        mixinStandardHelpOptions = true)
public final class AuditCommands extends ApiCommands {
    @Command(name = "list", description = "Acts, newest first.", mixinStandardHelpOptions = true)
    void list(
            @Option(names = "--tenant") @Nullable String tenant,
            @Option(names = "--search", description = "part of an actor, action or object")
                    @Nullable String search,
            @Option(names = "--after", description = "where the page before ended")
                    @Nullable String after,
            @Option(names = "--limit", description = "1 to 1000") @Nullable Integer limit)
            throws IOException {
        table(
                api().get(
                                "/audit",
                                query(
                                        "tenant", tenant, "search", search, "after", after, "limit",
                                        limit)),
                "number",
                "at",
                "actor",
                "origin",
                "action",
                "tenant",
                "object",
                "detail");
    }

    @Command(
            name = "verify",
            description = "Computes all hashes again; 1 if the log was changed.",
            mixinStandardHelpOptions = true)
    int verify() throws IOException {
        var answer = api().get("/audit/verify", query());
        show(answer);
        return answer.path("holds").asBoolean() ? 0 : 1;
    }
}
