package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.UsageEvent;
import java.io.InputStream;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** One row a generation, however it ends, and in the ledger before the client hears the end. */
final class LedgerTest extends ApiTest {
    private static final String CHAT = "/v1/chat/completions";

    @Test
    void theRowHoldsWhatWasSpent() throws Exception {
        HttpResponse<String> response = send(post(CHAT, chat("one two three", false)));
        assertThat(usage()).hasSize(1);
        UsageEvent row = usage().getFirst();
        assertThat(row.requestId()).isEqualTo(json(response).get("id").stringValue());
        assertThat(row.tenant()).isEqualTo(tenant.id());
        assertThat(row.model()).isEqualTo("novella-11m");
        assertThat(row.adapterVersion()).isNull();
        assertThat(row.promptTokens()).isEqualTo(14);
        assertThat(row.completionTokens()).isEqualTo(3);
        assertThat(row.finishReason()).isEqualTo("stop");
        assertThat(row.finishedAt()).isAfterOrEqualTo(row.startedAt());
    }

    @Test
    void theEndWaitsForTheRow() throws Exception {
        for (boolean stream : new boolean[] {true, false}) {
            int before = usage().size();
            CompletableFuture<HttpResponse<String>> answer;
            try (Connection connection = superuser().getConnection();
                    Statement statement = connection.createStatement()) {
                connection.setAutoCommit(false);
                statement.execute("lock table usage_events in share mode");
                answer =
                        http.sendAsync(
                                post(CHAT, chat("one two", stream)).build(),
                                HttpResponse.BodyHandlers.ofString());
                // The insert stands before the lock: all of the answer but its end is made.
                while (sql().sql(
                                        "select count(*) from pg_stat_activity"
                                                + " where wait_event_type = 'Lock'"
                                                + " and query like '%quota_books%'")
                                .query(Integer.class)
                                .single()
                        == 0) {
                    Thread.sleep(5);
                }
                assertThat(answer).isNotDone();
                connection.rollback();
            }
            assertThat(answer.get().body()).contains(stream ? "[DONE]" : "\"usage\":{");
            assertThat(usage()).hasSize(before + 1);
        }
    }

    @Test
    void withoutARowThereIsNoEnd() throws Exception {
        List<CompletableFuture<HttpResponse<String>>> held = new ArrayList<>();
        for (boolean stream : new boolean[] {true, false}) {
            held.add(
                    http.sendAsync(
                            post(CHAT, chat("hold two", stream)).build(),
                            HttpResponse.BodyHandlers.ofString()));
        }
        while (scripted().running.size() < 2) {
            Thread.sleep(5);
        }
        try (Connection connection = superuser().getConnection();
                Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            statement.execute("lock table usage_events in share mode");
            scripted().release();
            assertThat(held.get(0).get().body())
                    .contains("\"content\":\"two\"")
                    .doesNotContain("[DONE]")
                    .doesNotContain("\"finish_reason\":\"stop\"")
                    .endsWith(
                            "data: {\"error\":{\"message\":\"The answer is withheld because its"
                                    + " usage could not be recorded.\",\"type\":\"server_error\","
                                    + "\"param\":null,\"code\":\"usage_not_recorded\"}}\n\n");
            HttpResponse<String> whole = held.get(1).get();
            assertThat(whole.statusCode()).isEqualTo(500);
            assertThat(error(whole).get("code").stringValue()).isEqualTo("usage_not_recorded");
            // while nobody knows what is left, nothing is admitted
            HttpResponse<String> refused = send(post(CHAT, chat("one", false)));
            assertThat(refused.statusCode()).isEqualTo(503);
            assertThat(error(refused).get("code").stringValue()).isEqualTo("database_unavailable");
            connection.rollback();
        }
        // what was spent is owed: it is written as soon as that is possible again
        assertThat(awaitUsage(2))
                .extracting(UsageEvent::finishReason)
                .containsExactly("stop", "stop");
    }

    @Test
    void hangingUpOnAStreamEndsTheGenerationAndSettles() throws Exception {
        try (InputStream body = open(post(CHAT, chat("forever", true))).body()) {
            assertThat(new String(body.readNBytes(2000), StandardCharsets.UTF_8)).contains("tick ");
        }
        assertThat(awaitUsage(1)).extracting(UsageEvent::finishReason).containsExactly("cancelled");
        assertThat(usage().getFirst().completionTokens()).isPositive();
        assertThat(scripted().running).doesNotContainKey(usage().getFirst().requestId());
    }

    @Test
    void hangingUpOnAWholeAnswerDoesTheSame() throws Exception {
        String body = chat("forever", false);
        try (Socket socket = new Socket("127.0.0.1", port)) {
            socket.getOutputStream()
                    .write(
                            ("POST "
                                            + CHAT
                                            + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                                            + key
                                            + "\r\nContent-Type: application/json\r\nContent-Length: "
                                            + body.length()
                                            + "\r\n\r\n"
                                            + body)
                                    .getBytes(StandardCharsets.UTF_8));
            while (scripted().running.isEmpty()) {
                Thread.sleep(5);
            }
        }
        assertThat(awaitUsage(1)).extracting(UsageEvent::finishReason).containsExactly("cancelled");
        assertThat(scripted().running).doesNotContainKey(usage().getFirst().requestId());
    }

    private static String chat(String content, boolean stream) {
        return "{\"model\":\"novella-11m\",\"messages\":[{\"role\":\"user\",\"content\":\""
                + content
                + "\"}],\"max_tokens\":1000,\"stream\":"
                + stream
                + "}";
    }
}
