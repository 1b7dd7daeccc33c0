package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * The official npm client works unchanged: {@code openai-client.mjs} in Node. The package comes
 * through npm into the build folder; where there is no Node of at least 20, or npm gets nothing,
 * the test is skipped and says so.
 */
@ExtendWith(Deployed.class)
class NodeClientTest {
    private static final String CLIENT = "openai@6.49.0";
    private static final String SUITE = "openai-client.mjs";

    private final Deployment aril;

    NodeClientTest(Deployment aril) {
        this.aril = aril;
    }

    private record Ended(int code, String said) {}

    @Test
    void theOfficialClientWorksUnchanged() throws Exception {
        Path folder = folder();
        Caller acme = aril.as("acme");
        Ended suite =
                run(
                        folder,
                        Map.of(
                                "OPENAI_BASE_URL",
                                acme.base() + "/v1",
                                "OPENAI_API_KEY",
                                String.valueOf(acme.key()),
                                "ARIL_KEY_NARROW",
                                ClientTenants.narrow(aril),
                                "ARIL_KEY_SMALL",
                                ClientTenants.small(aril)),
                        "node",
                        SUITE);
        assertThat(suite.code()).as(suite.said()).isZero();
        assertThat(suite.said().lines())
                .containsExactly(
                        "ok models",
                        "ok chat",
                        "ok chatStream",
                        "ok runner",
                        "ok completions",
                        "ok logprobs",
                        "ok choices",
                        "ok bias",
                        "ok errors",
                        "ok retries",
                        "ok abort",
                        "ok idempotency");
    }

    /** A folder with the suite and the client, which stays from one run to the next. */
    private static Path folder() throws Exception {
        Path folder = Files.createDirectories(Path.of("target", "openai-client").toAbsolutePath());
        Ended version = run(folder, Map.of(), "node", "--version");
        assumeTrue(
                version.code() == 0 && version.said().strip().matches("v(2[0-9]|[3-9][0-9])\\..*"),
                "skipped: no Node of at least 20 on the PATH: " + version.said().strip());
        if (!Files.isDirectory(folder.resolve("node_modules/openai"))) {
            Files.writeString(folder.resolve("package.json"), "{\"private\":true}");
            Ended install =
                    run(folder, Map.of(), "npm", "install", "--no-audit", "--no-fund", CLIENT);
            assumeTrue(
                    install.code() == 0,
                    "skipped: npm could not get " + CLIENT + ": " + install.said());
        }
        try (InputStream suite = NodeClientTest.class.getResourceAsStream("/" + SUITE)) {
            Files.write(folder.resolve(SUITE), Objects.requireNonNull(suite).readAllBytes());
        }
        return folder;
    }

    private static Ended run(Path folder, Map<String, String> environment, String... command)
            throws InterruptedException, IOException {
        Path said = Files.createTempFile("aril-node-", ".log");
        try {
            ProcessBuilder builder =
                    new ProcessBuilder(List.of(command))
                            .directory(folder.toFile())
                            .redirectErrorStream(true)
                            .redirectOutput(said.toFile());
            builder.environment().putAll(environment);
            Process process;
            try {
                process = builder.start();
            } catch (IOException e) {
                return new Ended(-1, String.valueOf(e.getMessage()));
            }
            if (!process.waitFor(5, TimeUnit.MINUTES)) {
                process.destroyForcibly();
                return new Ended(-1, "not done after 5 minutes: " + Files.readString(said));
            }
            return new Ended(process.exitValue(), Files.readString(said, StandardCharsets.UTF_8));
        } finally {
            Files.deleteIfExists(said);
        }
    }
}
