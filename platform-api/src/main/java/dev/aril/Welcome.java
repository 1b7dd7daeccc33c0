package dev.aril;

import dev.aril.admin.FirstAdministrator;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.boot.ApplicationArguments;
import org.springframework.boot.ApplicationRunner;
import org.springframework.boot.web.server.WebServer;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.stereotype.Component;
import tools.jackson.databind.json.JsonMapper;

/** The last step of a start: the demonstration tenants, and what to do now. */
@Component
final class Welcome implements ApplicationRunner {
    private static final Logger LOG = LoggerFactory.getLogger(Welcome.class);

    private final WebServerApplicationContext server;
    private final DemoTenants demo;
    private final FirstAdministrator administrator;
    private final ArilSettings settings;

    Welcome(
            WebServerApplicationContext server,
            DemoTenants demo,
            FirstAdministrator administrator,
            ArilSettings settings) {
        this.administrator = administrator;
        this.server = server;
        this.demo = demo;
        this.settings = settings;
    }

    @Override
    public void run(ApplicationArguments arguments) throws IOException {
        WebServer web = Objects.requireNonNull(server.getWebServer(), "a started web server");
        String url = "http://localhost:" + web.getPort();
        Optional<Map<String, String>> issued = settings.demo() ? demo.seed() : Optional.empty();
        PrivateFile.write(
                settings.data().resolve("admin-token.json"),
                JsonMapper.shared()
                                .writeValueAsString(
                                        Map.of("url", url, "token", administrator.machineToken()))
                        + "\n");
        Optional<String> password = administrator.create();
        // Past the log: a key belongs on the screen of who starts the server, not in a log file.
        issued.ifPresent(keys -> print(System.out, url, keys));
        password.ifPresent(word -> print(System.out, url, word));
        LOG.info(
                settings.demo() ? "ready: {}/v1, keys in {}" : "ready: {}/v1",
                url,
                demo.keysFile());
    }

    private static void print(PrintStream out, String url, Map<String, String> keys) {
        out.println();
        out.println("Three tenants were created. Their keys, shown this once:");
        keys.forEach((tenant, key) -> out.printf("  %-8s %s%n", tenant, key));
        out.println();
        out.println("acme asks for SQL:");
        out.println(
                curl(
                        "",
                        url,
                        keys.get("acme"),
                        "sql",
                        "Show the team and salary of employees whose team is design.",
                        "\"temperature\":0"));
        out.println("globe hears verse as it is made:");
        out.println(
                curl(
                        "-N ",
                        url,
                        keys.get("globe"),
                        "shakespeare",
                        "Continue the passage.",
                        "\"max_tokens\":160,\"stream\":true"));
        out.println("holmes hears prose:");
        out.println(
                curl(
                        "-N ",
                        url,
                        keys.get("holmes"),
                        "sherlock",
                        "Continue the passage.",
                        "\"max_tokens\":160,\"stream\":true"));
        out.flush();
    }

    private static void print(PrintStream out, String url, String password) {
        out.println();
        out.println("An administrator was created. The password, shown this once:");
        out.printf("  %-8s %s%n", FirstAdministrator.NAME, password);
        out.println("The dashboard is at " + url + "/admin; ./aril tenant list asks the same API.");
        out.flush();
    }

    private static String curl(
            String option,
            String url,
            @Nullable String key,
            String model,
            String question,
            String fields) {
        return """
          curl %s%s/v1/chat/completions \\
            -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \\
            -d '{"model":"%s","messages":[{"role":"user","content":"%s"}],%s}'
        """
                .formatted(option, url, key, model, question, fields);
    }
}
