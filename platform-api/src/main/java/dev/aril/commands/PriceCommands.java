package dev.aril.commands;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code price}: what tokens cost. */
@Command(
        name = "price",
        description = "Shows and sets prices, in whole micro-units for a million tokens.",
        mixinStandardHelpOptions = true)
public final class PriceCommands extends ApiCommands {
    @Command(name = "list", description = "Lists prices.", mixinStandardHelpOptions = true)
    void list() throws IOException {
        table(
                api().get("/prices", query()),
                "model",
                "tenant",
                "adapter",
                "prompt",
                "cached",
                "completion",
                "valid_from");
    }

    @Command(
            name = "set",
            description = "Adds a price; what is in the ledger keeps the price of its time.",
            mixinStandardHelpOptions = true)
    void set(
            @Parameters(paramLabel = "MODEL") String model,
            @Option(names = "--prompt", required = true) long prompt,
            @Option(names = "--cached", required = true) long cached,
            @Option(names = "--completion", required = true) long completion,
            @Option(names = "--tenant") @Nullable String tenant,
            @Option(names = "--adapter") @Nullable String adapter,
            @Option(names = "--from", description = "default: now") @Nullable String from)
            throws IOException {
        show(
                api().post(
                                "/prices",
                                ApiClient.body()
                                        .put("model", model)
                                        .put("tenant", tenant)
                                        .put("adapter", adapter)
                                        .put("prompt", prompt)
                                        .put("cached", cached)
                                        .put("completion", completion)
                                        .put("valid_from", from)));
    }
}
