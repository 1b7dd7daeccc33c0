package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What must not be served is refused with its reason and leaves nothing behind. */
@ExtendWith(Deployed.class)
class BadInputTest {
    private final Deployment aril;

    BadInputTest(Deployment aril) {
        this.aril = aril;
    }

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = {"wrong", "aril_000000000000_00000000000000000000000000000000000000"})
    void noKeyAndWrongKeysGetTheSame401(@Nullable String key) {
        Caller stranger = aril.as("acme").withKey(key);
        for (Caller.Reply reply :
                List.of(
                        stranger.get("/v1/models"),
                        stranger.get("/v1/adapters"),
                        stranger.post("/v1/completions", Map.of("model", "sql", "prompt", "x")))) {
            assertThat(reply.status()).isEqualTo(401);
            assertThat(reply.error("code")).isEqualTo("invalid_api_key");
            assertThat(reply.headers()).containsKey("x-request-id");
        }
        assertThat(stranger.get("/v1/models").body())
                .isEqualTo(aril.as("acme").withKey("another").get("/v1/models").body());
    }

    @Test
    void anotherTenantsAdapterLooksLikeAnAbsentOne() {
        Caller globe = aril.as("globe");
        Caller.Reply others = globe.post("/v1/completions", Map.of("model", "sql", "prompt", "x"));
        Caller.Reply absent = globe.post("/v1/completions", Map.of("model", "sqx", "prompt", "x"));

        assertThat(others.status()).isEqualTo(404);
        assertThat(others.error("code")).isEqualTo("model_not_found");
        assertThat(absent.status()).isEqualTo(404);
        assertThat(others.body().replace("sql", "sqx")).isEqualTo(absent.body());
        assertThat(others.headers().keySet()).isEqualTo(absent.headers().keySet());
        assertThat(globe.get("/v1/models/sql").body().replace("sql", "sqx"))
                .isEqualTo(globe.get("/v1/models/sqx").body());
        assertThat(globe.get("/v1/adapters/sql").body().replace("sql", "sqx"))
                .isEqualTo(globe.get("/v1/adapters/sqx").body());
        assertThat(globe.delete("/v1/adapters/sql").status()).isEqualTo(404);
        assertThat(aril.as("acme").get("/v1/adapters/sql").status()).isEqualTo(200);
    }

    @Test
    void contextOverflowTellsTheNumbers() {
        Caller.Reply reply =
                aril.as("acme")
                        .post(
                                "/v1/completions",
                                Map.of("model", "sql", "prompt", "one two", "max_tokens", 5000));

        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.error("code")).isEqualTo("context_length_exceeded");
        assertThat(reply.error("message")).contains("1024", "5000");
    }

    @Test
    void aLongConversationOverflowsTheContextToo() {
        Caller.Reply reply =
                aril.as("acme")
                        .post(
                                "/v1/chat/completions",
                                Map.of(
                                        "model",
                                        "sql",
                                        "messages",
                                        List.of(
                                                Map.of(
                                                        "role",
                                                        "user",
                                                        "content",
                                                        "many words ".repeat(2000)))));

        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.error("code")).isEqualTo("context_length_exceeded");
        assertThat(reply.error("param")).isEqualTo("messages");
        assertThat(reply.error("message")).contains("1024");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/v1/completions", "/v1/chat/completions"})
    void aPromptOfTenMegabytesIsTooLarge(String path) {
        byte[] body =
                ("{\"model\":\"sql\",\"prompt\":\"" + "x".repeat(10 << 20) + "\"}")
                        .getBytes(StandardCharsets.UTF_8);

        Caller.Reply reply = aril.as("acme").postRaw(path, body);

        assertThat(reply.status()).isEqualTo(413);
        assertThat(reply.error("type")).isEqualTo("invalid_request_error");
        assertThat(aril.as("acme").get("/v1/models").status()).isEqualTo(200);
    }

    static Stream<Arguments> spoiltAdapters() throws IOException {
        AdapterFiles sql = AdapterFiles.demo("sql");
        return Stream.of(
                Arguments.of("truncated", sql.truncated()),
                Arguments.of("padded", sql.padded()),
                Arguments.of(
                        "mis-shaped",
                        sql.withHeader(header ->
                                header.replaceFirst(
                                        "\"shape\":\\[16, ?384\\]", "\"shape\":[384,16]"))),
                Arguments.of("NaN", sql.notANumber()),
                Arguments.of("pickle", sql.pickled()));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("spoiltAdapters")
    void aSpoiltAdapterIsRefusedAndLeavesNothingBehind(String fault, AdapterFiles files)
            throws IOException {
        List<Path> before = filesOfAdapters();
        long rows = adapterRows();

        Caller.Reply reply = aril.as("acme").upload(files.parts("spoilt"));

        assertThat(reply.status()).as(reply.body()).isEqualTo(400);
        assertThat(reply.error("param")).isEqualTo("adapter_model");
        assertThat(reply.error("message"))
                .doesNotContain(aril.data().toString())
                .satisfiesAnyOf(
                        message -> assertThat(message).containsIgnoringCase(REASONS.get(fault)));
        assertThat(filesOfAdapters()).isEqualTo(before);
        assertThat(adapterRows()).isEqualTo(rows);
        assertThat(aril.as("acme").get("/v1/adapters/spoilt").status()).isEqualTo(404);
    }

    private static final Map<String, String> REASONS =
            Map.of(
                    "truncated", "truncated",
                    "padded", "end at byte",
                    "mis-shaped", "shape",
                    "NaN", "NaN",
                    "pickle", "pickle");

    private List<Path> filesOfAdapters() throws IOException {
        try (Stream<Path> staged = walk("staging");
                Stream<Path> kept = walk("adapters")) {
            return Stream.concat(staged, kept).sorted().toList();
        }
    }

    private Stream<Path> walk(String folder) throws IOException {
        Path root = aril.data().resolve(folder);
        return Files.exists(root) ? Files.walk(root).filter(Files::isRegularFile) : Stream.empty();
    }

    private long adapterRows() throws IOException {
        return aril.sql().sql("select count(*) from adapters").query(Long.class).single();
    }
}
