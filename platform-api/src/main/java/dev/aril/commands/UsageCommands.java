package dev.aril.commands;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code usage}: what was spent. */
@Command(
        name = "usage",
        description = "Shows, exports and checks the ledger. Without TENANT it is of all tenants.",
        mixinStandardHelpOptions = true)
public final class UsageCommands extends ApiCommands {
    @Command(
            name = "show",
            description = "Sums by buckets of time.",
            mixinStandardHelpOptions = true)
    void show(
            @Parameters(paramLabel = "TENANT", arity = "0..1") @Nullable String tenant,
            @Option(names = "--granularity", description = "minute, hour or day (default)")
                    @Nullable String granularity,
            @Option(names = "--from", description = "default: 30 days ago") @Nullable String from,
            @Option(names = "--until", description = "default: now") @Nullable String until,
            @Option(names = "--by", split = ",", description = "tenant, key, model, adapter")
                    @Nullable List<String> by,
            @Option(names = "--after", description = "where the page before ended")
                    @Nullable String after)
            throws IOException {
        List<String> columns = new ArrayList<>(List.of("start"));
        if (by != null) {
            by.forEach(group -> columns.add(group.equals("key") ? "key_id" : group));
        }
        columns.addAll(
                List.of(
                        "requests",
                        "prompt_tokens",
                        "cached_tokens",
                        "completion_tokens",
                        "cost_micros"));
        table(
                api().get(
                                path(tenant),
                                query(
                                        "granularity",
                                        granularity,
                                        "from",
                                        from,
                                        "until",
                                        until,
                                        "group_by",
                                        by == null ? null : String.join(",", by),
                                        "after",
                                        after)),
                columns.toArray(String[]::new));
    }

    @Command(
            name = "requests",
            description = "A tenant's latest requests.",
            mixinStandardHelpOptions = true)
    void requests(
            @Parameters(paramLabel = "TENANT") String tenant,
            @Option(names = "--limit", description = "1 to 1000") @Nullable Integer limit,
            @Option(names = "--after", description = "where the page before ended")
                    @Nullable String after)
            throws IOException {
        table(
                api().get(
                                "/tenants/" + ApiClient.step(tenant) + "/requests",
                                query("limit", limit, "after", after)),
                "admitted_at",
                "request_id",
                "key_id",
                "adapter",
                "prompt_tokens",
                "completion_tokens",
                "finish_reason",
                "cost_micros");
    }

    @Command(
            name = "export",
            description = "Writes the ledger's rows as CSV or JSON.",
            mixinStandardHelpOptions = true)
    void export(
            @Parameters(paramLabel = "TENANT", arity = "0..1") @Nullable String tenant,
            @Option(names = "--format", description = "csv (default) or json")
                    @Nullable String format,
            @Option(names = "--from", description = "default: 30 days ago") @Nullable String from,
            @Option(names = "--until", description = "default: now") @Nullable String until,
            @Option(
                            names = {"-o", "--output"},
                            description = "default: standard output")
                    @Nullable Path file)
            throws IOException {
        try (InputStream rows =
                api().open(
                                path(tenant) + "/export",
                                query("format", format, "from", from, "until", until))) {
            if (file == null) {
                rows.transferTo(System.out);
            } else {
                Files.copy(rows, file, StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    @Command(
            name = "check",
            description = "Compares every counter with the rows it counts; 1 if one differs.",
            mixinStandardHelpOptions = true)
    int check() throws IOException {
        var answer = api().get("/usage/conservation", query());
        show(answer);
        return answer.path("holds").asBoolean() ? 0 : 1;
    }

    @Command(
            name = "rebuild",
            description = "Makes the rollups of a time anew from the events.",
            mixinStandardHelpOptions = true)
    void rebuild(
            @Option(names = "--from", required = true) String from,
            @Option(names = "--until", required = true) String until)
            throws IOException {
        show(api().post("/usage/rebuild", ApiClient.body().put("from", from).put("until", until)));
    }

    private static String path(@Nullable String tenant) {
        return tenant == null ? "/usage" : "/tenants/" + ApiClient.step(tenant) + "/usage";
    }
}
