package dev.aril.commands;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code tenant}: who the tenants are. */
@Command(
        name = "tenant",
        description = "Lists, creates, suspends and deletes tenants.",
        mixinStandardHelpOptions = true)
public final class TenantCommands extends ApiCommands {
    @Command(name = "list", description = "Lists tenants by name.", mixinStandardHelpOptions = true)
    void list(
            @Option(names = "--search", description = "part of the name") @Nullable String search,
            @Option(names = "--status", description = "active, suspended or deleted")
                    @Nullable String status,
            @Option(names = "--after", description = "where the page before ended")
                    @Nullable String after,
            @Option(names = "--limit", description = "1 to 1000") @Nullable Integer limit)
            throws IOException {
        table(
                api().get(
                                "/tenants",
                                query(
                                        "search", search, "status", status, "after", after, "limit",
                                        limit)),
                "name",
                "status",
                "created_at",
                "purge_at");
    }

    @Command(name = "create", description = "Makes a tenant.", mixinStandardHelpOptions = true)
    void create(@Parameters(paramLabel = "NAME") String name) throws IOException {
        show(api().post("/tenants", ApiClient.body().put("name", name)));
    }

    @Command(name = "show", description = "Shows a tenant.", mixinStandardHelpOptions = true)
    void show(@Parameters(paramLabel = "TENANT") String tenant) throws IOException {
        show(api().get(path(tenant), query()));
    }

    @Command(
            name = "suspend",
            description = "Refuses the tenant's keys from now on; everything is kept.",
            mixinStandardHelpOptions = true)
    void suspend(@Parameters(paramLabel = "TENANT") String tenant) throws IOException {
        show(api().post(path(tenant) + "/suspend", null));
    }

    @Command(name = "resume", description = "Ends a suspension.", mixinStandardHelpOptions = true)
    void resume(@Parameters(paramLabel = "TENANT") String tenant) throws IOException {
        show(api().post(path(tenant) + "/resume", null));
    }

    @Command(
            name = "delete",
            description = "Refuses the keys and, when the grace has ended, purges the tenant.",
            mixinStandardHelpOptions = true)
    void delete(
            @Parameters(paramLabel = "TENANT") String tenant,
            @Option(names = "--grace-days", description = "0 to 365, default 30")
                    @Nullable Integer grace)
            throws IOException {
        show(api().delete(path(tenant), query("grace_days", grace)));
    }

    @Command(
            name = "restore",
            description = "Undoes a deletion within its grace.",
            mixinStandardHelpOptions = true)
    void restore(@Parameters(paramLabel = "TENANT") String tenant) throws IOException {
        show(api().post(path(tenant) + "/restore", null));
    }

    private static String path(String tenant) {
        return "/tenants/" + ApiClient.step(tenant);
    }
}
