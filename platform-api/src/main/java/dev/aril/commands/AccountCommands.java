package dev.aril.commands;

import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code account}: who may administer. */
@Command(
        name = "account",
        description = "Lists and changes the accounts of administrators.",
        mixinStandardHelpOptions = true)
public final class AccountCommands extends ApiCommands {
    private static final String ROLE = "viewer, operator or admin";

    @Command(name = "list", description = "Lists accounts.", mixinStandardHelpOptions = true)
    void list() throws IOException {
        table(api().get("/accounts", query()), "name", "role", "created_at", "disabled_at");
    }

    @Command(
            name = "create",
            description = "Makes an account and prints its password, this once.",
            mixinStandardHelpOptions = true)
    void create(
            @Parameters(paramLabel = "NAME") String name,
            @Option(names = "--role", required = true, description = ROLE) String role)
            throws IOException {
        show(api().post("/accounts", ApiClient.body().put("name", name).put("role", role)));
    }

    @Command(
            name = "reset",
            description = "Gives an account a new password and prints it, this once.",
            mixinStandardHelpOptions = true)
    void reset(@Parameters(paramLabel = "NAME") String name) throws IOException {
        show(api().post(path(name) + "/password", ApiClient.body()));
    }

    @Command(name = "role", description = "Changes a role.", mixinStandardHelpOptions = true)
    void role(
            @Parameters(paramLabel = "NAME") String name,
            @Parameters(paramLabel = "ROLE", description = ROLE) String role)
            throws IOException {
        show(api().post(path(name) + "/role", ApiClient.body().put("role", role)));
    }

    @Command(
            name = "disable",
            description = "Ends an account and all its sessions.",
            mixinStandardHelpOptions = true)
    void disable(@Parameters(paramLabel = "NAME") String name) throws IOException {
        show(api().post(path(name) + "/disable", null));
    }

    @Command(
            name = "rules",
            description = "Lists which claims of an OpenID Connect issuer give which role.",
            mixinStandardHelpOptions = true)
    void rules() throws IOException {
        table(api().get("/oidc-rules", query()), "issuer", "claim", "value", "role");
    }

    @Command(
            name = "allow",
            description = "Lets a claim of an OpenID Connect issuer give a role.",
            mixinStandardHelpOptions = true)
    void allow(
            @Parameters(paramLabel = "ISSUER") String issuer,
            @Parameters(paramLabel = "CLAIM") String claim,
            @Parameters(paramLabel = "VALUE") String value,
            @Parameters(paramLabel = "ROLE", description = ROLE) String role)
            throws IOException {
        show(
                api().post(
                                "/oidc-rules",
                                ApiClient.body()
                                        .put("issuer", issuer)
                                        .put("claim", claim)
                                        .put("value", value)
                                        .put("role", role)));
    }

    @Command(
            name = "disallow",
            description = "Removes such a rule.",
            mixinStandardHelpOptions = true)
    void disallow(
            @Parameters(paramLabel = "ISSUER") String issuer,
            @Parameters(paramLabel = "CLAIM") String claim,
            @Parameters(paramLabel = "VALUE") String value,
            @Parameters(paramLabel = "ROLE", description = ROLE) String role)
            throws IOException {
        api().delete(
                        "/oidc-rules",
                        query("issuer", issuer, "claim", claim, "value", value, "role", role));
    }

    private static String path(String name) {
        return "/accounts/" + ApiClient.step(name);
    }
}
