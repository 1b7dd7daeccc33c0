package dev.aril.commands;

import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What the commands that call the administration API share: where the server is, who calls, and how
 * answers are printed. On the server's own machine nothing need be given: the server leaves its
 * address and a token in the data folder, readable by its owner only.
 */
abstract class ApiCommands implements Runnable {
    /** Written by the server at each start. */
    static final String TOKEN_FILE = "admin-token.json";

    @Option(
            names = "--url",
            paramLabel = "URL",
            scope = ScopeType.INHERIT,
            defaultValue = "${env:ARIL_URL}",
            description =
                    "the server; default: ARIL_URL, else the one of this machine's data folder")
    private @Nullable URI url;

    @Option(
            names = "--account",
            paramLabel = "NAME",
            scope = ScopeType.INHERIT,
            defaultValue = "${env:ARIL_ACCOUNT}",
            description = "log in with this account; its password is ARIL_PASSWORD or asked for")
    private @Nullable String account;

    @Option(
            names = "--token",
            paramLabel = "TOKEN",
            scope = ScopeType.INHERIT,
            defaultValue = "${env:ARIL_TOKEN}",
            description = "log in with this bearer token of an OpenID Connect issuer")
    private @Nullable String token;

    @Option(
            names = "--json",
            scope = ScopeType.INHERIT,
            description = "print the API's answer instead of a table")
    private boolean json;

    @Spec CommandSpec spec = CommandSpec.create();

    /** Without a subcommand: what there is. */
    @Override
    public void run() {
        spec.commandLine().usage(System.out);
    }

    ApiClient api() throws IOException {
        if (token != null && !token.isEmpty()) {
            return new ApiClient(address(), "Bearer " + token);
        }
        if (account != null && !account.isEmpty()) {
            byte[] pair = (account + ":" + password(account)).getBytes(StandardCharsets.UTF_8);
            return new ApiClient(address(), "Basic " + Base64.getEncoder().encodeToString(pair));
        }
        JsonNode left = left();
        return new ApiClient(
                url == null ? URI.create(left.path("url").asString("")) : url,
                "Bearer " + left.path("token").asString(""));
    }

    private URI address() throws IOException {
        return url == null ? URI.create(left().path("url").asString("")) : url;
    }

    private static JsonNode left() throws IOException {
        Path file = Installation.here().data().resolve(TOKEN_FILE);
        if (!Files.isReadable(file)) {
            throw new IllegalArgumentException(
                    "there is no "
                            + file
                            + ": start the server with ./aril serve, set ARIL_DATA to its folder,"
                            + " or give --url and --account");
        }
        return JsonMapper.shared().readTree(Files.readString(file));
    }

    private static String password(String account) {
        String given = System.getenv("ARIL_PASSWORD");
        if (given != null) {
            return given;
        }
        var console = System.console();
        if (console == null) {
            throw new IllegalArgumentException("set ARIL_PASSWORD to the password of " + account);
        }
        return new String(console.readPassword("Password of %s: ", account));
    }

    /** Parameters that were given. */
    static Map<String, Object> query(@Nullable Object... pairs) {
        Map<String, Object> query = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            Object value = pairs[i + 1];
            if (value != null) {
                query.put(String.valueOf(pairs[i]), value);
            }
        }
        return query;
    }

    /** One thing, a line a field. */
    void show(ObjectNode answer) {
        if (json) {
            System.out.println(answer.toPrettyString());
            return;
        }
        answer.properties()
                .forEach(field -> {
                    if (!field.getValue().isNull()) {
                        System.out.println(field.getKey() + ": " + Table.text(field.getValue()));
                    }
                });
    }

    /** A list, a row an item. */
    void table(ObjectNode answer, String... columns) {
        PrintStream out = System.out;
        if (json) {
            out.println(answer.toPrettyString());
            return;
        }
        Table.print(out, answer.path("items"), columns);
        String next = answer.path("next").asString("");
        if (!next.isEmpty()) {
            System.err.println("there is more: --after '" + next + "'");
        }
    }
}
