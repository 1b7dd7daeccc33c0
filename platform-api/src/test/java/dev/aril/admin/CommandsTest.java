package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.Aril;
import dev.aril.tenancy.Account;
import dev.aril.tenancy.Role;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The commands, as processes of their own, against this server. */
final class CommandsTest extends AdminTest {
    private record Ended(int status, String out, String err) {}

    private Ended aril(Map<String, String> environment, String... arguments) throws Exception {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Aril.class.getName()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().keySet().removeIf(name -> name.startsWith("ARIL_"));
        builder.environment().put("ARIL_DATA", DATA.toString());
        builder.environment().putAll(environment);
        Process process = builder.start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), out, err);
    }

    @Test
    void onTheServersMachineNothingNeedBeSetUp() throws Exception {
        Path file = DATA.resolve("admin-token.json");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        String tenant = unique("cli");
        Ended made = aril(Map.of(), "tenant", "create", tenant);
        assertThat(made.status()).as(made.err()).isZero();
        assertThat(made.out()).contains("name: " + tenant).contains("status: active");
        Ended key = aril(Map.of(), "key", "create", tenant, "--label", "from a command");
        Matcher secret = Pattern.compile("secret: (aril_\\S+)").matcher(key.out());
        assertThat(secret.find()).as(key.out() + key.err()).isTrue();
        assertThat(
                        send(request("/v1/models")
                                        .header("Authorization", "Bearer " + secret.group(1)))
                                .statusCode())
                .isEqualTo(200);
        aril(Map.of(), "quota", "set", tenant, "tokens_per_day", "--hard", "1000");
        Ended quota = aril(Map.of(), "quota", "show", tenant);
        assertThat(quota.out()).contains("tokens_per_day").contains("1000");
        assertThat(aril(Map.of(), "audit", "list", "--tenant", tenant, "--json").out())
                .contains("\"actor\" : \"owner\"");
        assertThat(aril(Map.of(), "audit", "verify").status()).isZero();
        assertThat(aril(Map.of(), "usage", "export", tenant).out()).startsWith("request_id,");
    }

    @Test
    void anAccountMayWhatItsRoleAllows() throws Exception {
        Account viewer = newAccount(Role.VIEWER);
        Map<String, String> log = new HashMap<>();
        log.put("ARIL_URL", "http://127.0.0.1:" + port);
        log.put("ARIL_ACCOUNT", viewer.name());
        log.put("ARIL_PASSWORD", PASSWORD);
        assertThat(aril(log, "tenant", "list").status()).isZero();
        Ended refused = aril(log, "tenant", "create", unique("no"));
        assertThat(refused.status()).isEqualTo(1);
        assertThat(refused.err()).contains("needs operator").contains("Ask an administrator");
        log.put("ARIL_PASSWORD", "wrong password");
        assertThat(aril(log, "tenant", "list").err()).contains("No valid credentials");
    }

    @Test
    void whatIsWrongIsSaidInALine() throws IOException, Exception {
        Ended refused = aril(Map.of(), "quota", "set", "nobody", "tokens", "--hard", "1");
        assertThat(refused.status()).isEqualTo(1);
        assertThat(refused.err()).contains("metric cannot be tokens").doesNotContain("\tat ");
        Ended away = aril(Map.of("ARIL_URL", "http://127.0.0.1:9"), "tenant", "list");
        assertThat(away.err()).contains("no server answers").doesNotContain("\tat ");
    }
}
