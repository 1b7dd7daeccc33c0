package dev.aril.commands;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/** {@code quota}: what a tenant, one of its keys or one of its adapters may spend. */
@Command(
        name = "quota",
        description = {
            "Shows and changes limits. METRIC is requests_per_minute, tokens_per_minute,",
            "tokens_per_day, tokens_per_month, concurrent_requests, adapters or stored_bytes."
        },
        mixinStandardHelpOptions = true)
public final class QuotaCommands extends ApiCommands {
    @Command(
            name = "show",
            description = "Limits with what is used and held now.",
            mixinStandardHelpOptions = true)
    void show(@Parameters(paramLabel = "TENANT") String tenant) throws IOException {
        table(
                api().get(path(tenant), query()),
                "scope",
                "subject",
                "metric",
                "used",
                "reserved",
                "in_force",
                "hard",
                "soft",
                "shadow",
                "raised_until",
                "would_have_refused");
    }

    @Command(
            name = "set",
            description = "Sets a limit, in force from the next request on.",
            mixinStandardHelpOptions = true)
    void set(
            @Parameters(paramLabel = "TENANT") String tenant,
            @Parameters(paramLabel = "METRIC") String metric,
            @Option(names = "--hard", description = "never exceeded") @Nullable Long hard,
            @Option(names = "--soft", description = "from where on webhooks warn")
                    @Nullable Long soft,
            @Option(names = "--shadow", description = "only count what would be refused")
                    boolean shadow,
            @Option(names = "--key", description = "of this key only") @Nullable String key,
            @Option(names = "--adapter", description = "of this adapter only")
                    @Nullable String adapter)
            throws IOException {
        show(
                api().put(
                                path(tenant),
                                scoped(metric, key, adapter)
                                        .put("hard", hard)
                                        .put("soft", soft)
                                        .put("shadow", shadow)));
    }

    @Command(
            name = "raise",
            description = "Lifts a hard limit for a while.",
            mixinStandardHelpOptions = true)
    void raise(
            @Parameters(paramLabel = "TENANT") String tenant,
            @Parameters(paramLabel = "METRIC") String metric,
            @Option(names = "--to", required = true) long to,
            @Option(
                            names = "--for",
                            required = true,
                            description = "how long, for example PT2H or P3D")
                    Duration time,
            @Option(names = "--key", description = "of this key only") @Nullable String key,
            @Option(names = "--adapter", description = "of this adapter only")
                    @Nullable String adapter)
            throws IOException {
        show(
                api().post(
                                path(tenant) + "/raise",
                                scoped(metric, key, adapter)
                                        .put("to", to)
                                        .put("until", Instant.now().plus(time).toString())));
    }

    @Command(name = "remove", description = "Lifts a limit.", mixinStandardHelpOptions = true)
    void remove(
            @Parameters(paramLabel = "TENANT") String tenant,
            @Parameters(paramLabel = "METRIC") String metric,
            @Option(names = "--key", description = "of this key only") @Nullable String key,
            @Option(names = "--adapter", description = "of this adapter only")
                    @Nullable String adapter)
            throws IOException {
        ObjectNode scope = scoped(metric, key, adapter);
        api().delete(
                        path(tenant),
                        query(
                                "metric",
                                metric,
                                "scope",
                                scope.path("scope").asString(),
                                "subject",
                                key == null ? adapter : key));
    }

    private static ObjectNode scoped(
            String metric, @Nullable String key, @Nullable String adapter) {
        if (key != null && adapter != null) {
            throw new IllegalArgumentException("--key and --adapter exclude each other");
        }
        ObjectNode body = ApiClient.body().put("metric", metric);
        if (key != null) {
            return body.put("scope", "key").put("subject", key);
        }
        return adapter == null
                ? body.put("scope", "tenant")
                : body.put("scope", "adapter").put("subject", adapter);
    }

    private static String path(String tenant) {
        return "/tenants/" + ApiClient.step(tenant) + "/limits";
    }
}
