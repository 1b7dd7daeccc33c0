package dev.aril.commands;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code webhook}: who is told of warnings. */
@Command(
        name = "webhook",
        description = "Shows and changes where warnings are sent.",
        mixinStandardHelpOptions = true)
public final class WebhookCommands extends ApiCommands {
    private static final String TENANT = "absent: the warnings of all tenants";

    @Command(name = "list", description = "Lists endpoints.", mixinStandardHelpOptions = true)
    void list(@Option(names = "--tenant", description = TENANT) @Nullable String tenant)
            throws IOException {
        table(
                api().get("/webhooks", query("tenant", tenant)),
                "id",
                "tenant",
                "url",
                "active",
                "created_at");
    }

    @Command(
            name = "add",
            description = "Adds an endpoint and prints the secret of its signatures, this once.",
            mixinStandardHelpOptions = true)
    void add(
            @Parameters(paramLabel = "URL") String url,
            @Option(names = "--tenant", description = TENANT) @Nullable String tenant)
            throws IOException {
        show(api().post("/webhooks", ApiClient.body().put("url", url).put("tenant", tenant)));
    }

    @Command(name = "remove", description = "Removes an endpoint.", mixinStandardHelpOptions = true)
    void remove(@Parameters(paramLabel = "ID") String id) throws IOException {
        api().delete("/webhooks/" + ApiClient.step(id), query());
    }

    @Command(
            name = "deliveries",
            description = "Messages and how often they were tried, newest first.",
            mixinStandardHelpOptions = true)
    void deliveries(
            @Option(names = "--tenant", description = TENANT) @Nullable String tenant,
            @Option(names = "--after", description = "where the page before ended")
                    @Nullable String after)
            throws IOException {
        table(
                api().get("/webhooks/deliveries", query("tenant", tenant, "after", after)),
                "id",
                "tenant",
                "type",
                "state",
                "attempts",
                "created_at",
                "last_error");
    }

    @Command(
            name = "redrive",
            description = "Tries a dead message again.",
            mixinStandardHelpOptions = true)
    void redrive(@Parameters(paramLabel = "ID") String id) throws IOException {
        api().post("/webhooks/deliveries/" + ApiClient.step(id) + "/redrive", null);
    }
}
