package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The same request under the same key: one generation, one row, one answer. */
final class IdempotencyTest extends ApiTest {
    private static final String CHAT = "/v1/chat/completions";

    private final String name = UUID.randomUUID().toString();

    private HttpRequest.Builder ask(String content, boolean stream) {
        return post(
                        CHAT,
                        "{\"model\":\"novella-11m\",\"messages\":[{\"role\":\"user\",\"content\":\""
                                + content
                                + "\"}],\"max_tokens\":50,\"stream\":"
                                + stream
                                + "}")
                .header("Idempotency-Key", name);
    }

    private static boolean replayed(HttpResponse<?> response) {
        return response.headers().firstValue("idempotent-replayed").orElse("").equals("true");
    }

    private static String unpinged(String body) {
        return body.replace(": ping\n\n", "");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theSameAgainIsTheSameAnswerAndBilledOnce(boolean stream) throws Exception {
        HttpResponse<String> first = send(ask("one two", stream));
        assertThat(first.statusCode()).isEqualTo(200);
        assertThat(replayed(first)).isFalse();
        for (int i = 0; i < 3; i++) {
            HttpResponse<String> again = send(ask("one two", stream));
            assertThat(again.statusCode()).isEqualTo(200);
            assertThat(replayed(again)).isTrue();
            assertThat(unpinged(again.body())).isEqualTo(unpinged(first.body()));
            assertThat(again.headers().firstValue("Content-Type"))
                    .isEqualTo(first.headers().firstValue("Content-Type"));
        }
        assertThat(usage()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void manyAtOnceAreOneGeneration(boolean stream) throws Exception {
        int before = scripted().requests.size();
        List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            all.add(
                    http.sendAsync(
                            ask("hold on to this", stream).build(), BodyHandlers.ofString()));
        }
        while (scripted().running.isEmpty()) {
            Thread.sleep(5);
        }
        Thread.sleep(300);
        scripted().release();
        List<String> bodies = new ArrayList<>();
        int fresh = 0;
        for (CompletableFuture<HttpResponse<String>> one : all) {
            HttpResponse<String> response = one.get();
            assertThat(response.statusCode()).isEqualTo(200);
            bodies.add(unpinged(response.body()));
            fresh += replayed(response) ? 0 : 1;
        }
        assertThat(bodies.stream().distinct()).hasSize(1);
        assertThat(bodies.getFirst()).contains("this");
        assertThat(fresh).isEqualTo(1);
        assertThat(scripted().requests.size() - before).isEqualTo(1);
        assertThat(usage()).hasSize(1);
    }

    @Test
    void anAnswerIsThereForTheClientThatHungUp() throws Exception {
        try (InputStream body = open(ask("hold on to this", true)).body()) {
            assertThat(new String(body.readNBytes(300), StandardCharsets.UTF_8))
                    .contains("assistant");
        }
        scripted().release();
        HttpResponse<String> again = send(ask("hold on to this", true));
        assertThat(replayed(again)).isTrue();
        assertThat(again.body()).contains("\"content\":\"this\"").endsWith("data: [DONE]\n\n");
        assertThat(awaitUsage(1)).hasSize(1);
        assertThat(usage().getFirst().finishReason()).isEqualTo("stop");
    }

    @Test
    void anotherRequestUnderTheSameKeyIsRefused() throws Exception {
        assertThat(send(ask("one", false)).statusCode()).isEqualTo(200);
        HttpResponse<String> other = send(ask("two", false));
        assertThat(other.statusCode()).isEqualTo(422);
        assertThat(error(other).get("code").stringValue()).isEqualTo("idempotency_key_reused");
        assertThat(other.headers().firstValue("x-should-retry")).contains("false");
        assertThat(send(ask("one", true)).statusCode()).isEqualTo(422);
        assertThat(usage()).hasSize(1);
    }

    @Test
    void howABodyIsWrittenMakesNoDifference() throws Exception {
        String one = "{\"model\":\"novella-11m\",\"prompt\":\"a\",\"max_tokens\":5,\"seed\":null}";
        String other = "{ \"max_tokens\":5.0, \"prompt\":\"\\u0061\", \"model\":\"novella-11m\"}";
        HttpResponse<String> first =
                send(post("/v1/completions", one).header("Idempotency-Key", name));
        HttpResponse<String> again =
                send(post("/v1/completions", other).header("Idempotency-Key", name));
        assertThat(replayed(again)).isTrue();
        assertThat(again.body()).isEqualTo(first.body());
    }

    @Test
    void keysOfOthersAreOthers() throws Exception {
        assertThat(send(ask("one", false)).statusCode()).isEqualTo(200);
        newTenant();
        HttpResponse<String> other = send(ask("two", false));
        assertThat(other.statusCode()).isEqualTo(200);
        assertThat(replayed(other)).isFalse();
    }

    @Test
    void refusalsAndFailuresAreNotKept() throws Exception {
        scripted().overloaded.set(true);
        assertThat(send(ask("one", false)).statusCode()).isEqualTo(503);
        scripted().overloaded.set(false);
        assertThat(send(ask("one", false)).statusCode()).isEqualTo(200);

        String other = UUID.randomUUID().toString();
        for (int i = 0; i < 2; i++) {
            HttpResponse<String> failed =
                    send(
                            post(
                                            "/v1/completions",
                                            "{\"model\":\"novella-11m\",\"prompt\":\"fail now or"
                                                    + " never\"}")
                                    .header("Idempotency-Key", other));
            assertThat(failed.statusCode()).isEqualTo(500);
            assertThat(replayed(failed)).isFalse();
            while (sql().sql("select count(*) from idempotent_answers where name = :name")
                            .param("name", other)
                            .query(Integer.class)
                            .single()
                    > 0) {
                Thread.sleep(5);
            }
        }
    }

    @Test
    void whatAReplicaThatDiedLeftIsMadeAnewUnderItsId() throws Exception {
        send(ask("one two", false));
        String id =
                sql().sql(
                                """
                                update idempotent_answers
                                set answer = null, holder = gen_random_uuid(),
                                    lease_until = now() - interval '1 second'
                                where name = :name returning generation_id
                                """)
                        .param("name", name)
                        .query(String.class)
                        .single();
        HttpResponse<String> again = send(ask("one two", false));
        assertThat(again.statusCode()).isEqualTo(200);
        assertThat(json(again).get("id").stringValue()).isEqualTo(id);
        assertThat(usage()).hasSize(1);
        assertThat(replayed(send(ask("one two", false)))).isTrue();
    }

    @Test
    void onlyTheAnswerIsStored() throws Exception {
        send(ask("one two", false));
        String row =
                sql().sql("select a::text from idempotent_answers a where name = :name")
                        .param("name", name)
                        .query(String.class)
                        .single();
        assertThat(row).contains("chat.completion").doesNotContain("messages");
    }

    @Test
    void aMalformedKeyIsRefused() throws Exception {
        for (String bad : new String[] {"x".repeat(256), "\t"}) {
            HttpResponse<String> response = send(post(CHAT, "{}").header("Idempotency-Key", bad));
            assertThat(response.statusCode()).isEqualTo(400);
            assertThat(error(response).get("code").stringValue())
                    .isEqualTo("invalid_idempotency_key");
        }
    }
}
