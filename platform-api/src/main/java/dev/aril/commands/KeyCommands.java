package dev.aril.commands;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code key}: a tenant's API keys. */
@Command(
        name = "key",
        description = "Lists, creates, rotates and revokes a tenant's API keys.",
        mixinStandardHelpOptions = true)
public final class KeyCommands extends ApiCommands {
    @Command(
            name = "list",
            description = "Lists keys, newest first.",
            mixinStandardHelpOptions = true)
    void list(@Parameters(paramLabel = "TENANT") String tenant) throws IOException {
        table(
                api().get(path(tenant), query()),
                "key_id",
                "label",
                "scopes",
                "created_at",
                "expires_at",
                "revoked_at");
    }

    @Command(
            name = "create",
            description = "Makes a key and prints its secret, this once.",
            mixinStandardHelpOptions = true)
    void create(
            @Parameters(paramLabel = "TENANT") String tenant,
            @Option(names = "--label", required = true, description = "for people") String label,
            @Option(
                            names = "--scope",
                            description = "inference, adapters or usage; repeat it; default: all")
                    @Nullable List<String> scopes,
            @Option(names = "--expires", description = "for example 2027-01-01T00:00:00Z")
                    @Nullable String expires)
            throws IOException {
        ObjectNode body = ApiClient.body().put("label", label).put("expires_at", expires);
        if (scopes != null) {
            ArrayNode given = body.putArray("scopes");
            scopes.forEach(given::add);
        }
        show(api().post(path(tenant), body));
    }

    @Command(
            name = "rotate",
            description = "Makes a new secret for a key and prints it, this once.",
            mixinStandardHelpOptions = true)
    void rotate(
            @Parameters(paramLabel = "TENANT") String tenant,
            @Parameters(paramLabel = "KEY") String key,
            @Option(
                            names = "--overlap-seconds",
                            description = "how long the present secret works on, default a day")
                    @Nullable Long overlap)
            throws IOException {
        show(
                api().post(
                                path(tenant) + "/" + ApiClient.step(key) + "/rotate",
                                ApiClient.body().put("overlap_seconds", overlap)));
    }

    @Command(
            name = "revoke",
            description = "Refuses a key from now on.",
            mixinStandardHelpOptions = true)
    void revoke(
            @Parameters(paramLabel = "TENANT") String tenant,
            @Parameters(paramLabel = "KEY") String key)
            throws IOException {
        show(api().post(path(tenant) + "/" + ApiClient.step(key) + "/revoke", null));
    }

    private static String path(String tenant) {
        return "/tenants/" + ApiClient.step(tenant) + "/keys";
    }
}
