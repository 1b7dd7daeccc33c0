package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Conservation;
import dev.aril.tenancy.IssuedKey;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.LimitState;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaScope;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Statement;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.springframework.beans.factory.annotation.Autowired;

/** Limits on the wire: what is refused, how it says so, and what is left after a request. */
@Timeout(120)
final class QuotaTest extends ApiTest {
    private static final String TEXT = "/v1/completions";

    @Autowired Limits limits;

    private void limit(Metric metric, long hard) {
        limits.set(Actor.SERVER, tenant.id(), Limit.hard(QuotaScope.TENANT, metric, hard));
    }

    private HttpResponse<String> ask(String prompt, int maxTokens, String more) throws Exception {
        return send(
                post(
                        TEXT,
                        "{\"model\":\"novella-11m\",\"prompt\":\""
                                + prompt
                                + "\",\"max_tokens\":"
                                + maxTokens
                                + more
                                + "}"));
    }

    private static String header(HttpResponse<?> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    @Test
    void theSixHeadersSayWhatIsLeftAfterTheReservation() throws Exception {
        HttpResponse<String> free = ask("a", 4, "");
        assertThat(header(free, "x-ratelimit-limit-requests")).isEmpty();
        limit(Metric.REQUESTS_PER_MINUTE, 3);
        limit(Metric.TOKENS_PER_MINUTE, 1000);
        HttpResponse<String> first = ask("a", 4, ",\"stream\":true");
        assertThat(header(first, "x-ratelimit-limit-requests")).isEqualTo("3");
        assertThat(header(first, "x-ratelimit-limit-tokens")).isEqualTo("1000");
        // one before, this one; three tokens spent before, two and four held now
        assertThat(header(first, "x-ratelimit-remaining-requests")).isEqualTo("1");
        assertThat(header(first, "x-ratelimit-remaining-tokens")).isEqualTo("991");
        assertThat(header(first, "x-ratelimit-reset-requests")).matches("(1m)?[0-9.]+m?s");
        assertThat(header(first, "x-ratelimit-reset-tokens")).matches("(1m)?[0-9.]+m?s");
        assertThat(header(ask("a", 4, ""), "x-ratelimit-remaining-requests")).isEqualTo("0");
        HttpResponse<String> refused = ask("a", 4, "");
        assertThat(refused.statusCode()).isEqualTo(429);
        assertThat(header(refused, "x-ratelimit-remaining-requests")).isEqualTo("0");
        assertThat(error(refused).get("type").stringValue()).isEqualTo("requests");
        assertThat(error(refused).get("code").stringValue()).isEqualTo("rate_limit_exceeded");
        assertThat(error(refused).get("message").stringValue())
                .matches(
                        "Rate limit reached for novella-11m on requests per min \\(RPM\\): Limit 3,"
                                + " Used 3, Requested 1\\. Please try again in ([0-9]+m)?[0-9.]+m?s\\.");
        long seconds = Long.parseLong(header(refused, "Retry-After"));
        long millis = Long.parseLong(header(refused, "retry-after-ms"));
        assertThat(seconds).isBetween(1L, 60L);
        assertThat(millis).isBetween(1L, 60_000L).isLessThanOrEqualTo(1000 * seconds);
        assertThat(usage()).hasSize(3);
    }

    @Test
    void aRequestLargerThanTheLimitIsNotToBeTriedAgain() throws Exception {
        limit(Metric.TOKENS_PER_MINUTE, 50);
        HttpResponse<String> refused = ask("a", 20, ",\"n\":3");
        assertThat(refused.statusCode()).isEqualTo(429);
        assertThat(header(refused, "x-should-retry")).isEqualTo("false");
        assertThat(header(refused, "Retry-After")).isEmpty();
        assertThat(error(refused).get("type").stringValue()).isEqualTo("tokens");
        // the prompt once, three answers
        assertThat(error(refused).get("message").stringValue())
                .startsWith(
                        "Request too large for novella-11m on tokens per min (TPM): Limit 50, Requested 62.");
        assertThat(ask("a", 16, ",\"n\":3").statusCode()).isEqualTo(200);
    }

    @Test
    void anExhaustedMonthSaysWhenItEnds() throws Exception {
        limit(Metric.TOKENS_PER_MONTH, 10);
        assertThat(ask("a b c d", 2, "").statusCode()).isEqualTo(200);
        HttpResponse<String> refused = ask("a", 2, "");
        assertThat(refused.statusCode()).isEqualTo(429);
        assertThat(error(refused).get("type").stringValue()).isEqualTo("insufficient_quota");
        assertThat(error(refused).get("code").stringValue()).isEqualTo("insufficient_quota");
        assertThat(header(refused, "x-should-retry")).isEqualTo("false");
        assertThat(header(refused, "Retry-After")).isEmpty();
        assertThat(header(refused, "x-quota-reset")).matches("[0-9-]+-01T00:00:00Z");
    }

    @Test
    void whatWasHeldAndNotSpentIsFreeAgain() throws Exception {
        limit(Metric.TOKENS_PER_DAY, 120);
        limit(Metric.CONCURRENT_REQUESTS, 1);
        // each holds 102 tokens and spends 3
        for (int i = 0; i < 5; i++) {
            assertThat(ask("a", 100, "").statusCode()).isEqualTo(200);
        }
        for (LimitState state : limits.of(tenant.id())) {
            assertThat(state.reserved()).isZero();
            assertThat(state.used())
                    .isEqualTo(state.limit().metric() == Metric.TOKENS_PER_DAY ? 15 : 0);
        }
        Conservation books = ledger.conservation();
        assertThat(books.differences()).isEmpty();
    }

    @Test
    void oneAtATimeMeansOneAtATime() throws Exception {
        limit(Metric.CONCURRENT_REQUESTS, 1);
        CompletableFuture<HttpResponse<String>> held =
                http.sendAsync(
                        post(TEXT, "{\"model\":\"novella-11m\",\"prompt\":\"hold it\"}").build(),
                        BodyHandlers.ofString());
        while (scripted().running.isEmpty()) {
            Thread.sleep(5);
        }
        HttpResponse<String> refused = ask("a", 1, "");
        assertThat(refused.statusCode()).isEqualTo(429);
        assertThat(error(refused).get("message").stringValue())
                .contains("requests at the same time: Limit 1, Used 1, Requested 1");
        assertThat(header(refused, "Retry-After")).isNotEmpty();
        scripted().release();
        assertThat(held.get().statusCode()).isEqualTo(200);
        assertThat(ask("a", 1, "").statusCode()).isEqualTo(200);
    }

    @Test
    void whatTheEngineRefusesCostsNothing() throws Exception {
        limit(Metric.TOKENS_PER_DAY, 100);
        scripted().overloaded.set(true);
        try {
            assertThat(ask("a", 50, "").statusCode()).isEqualTo(503);
        } finally {
            scripted().overloaded.set(false);
        }
        assertThat(ask("a", 5000, "").statusCode()).isEqualTo(400);
        while (limits.of(tenant.id()).getFirst().reserved() > 0) {
            Thread.sleep(5);
        }
        assertThat(limits.of(tenant.id()).getFirst().used()).isZero();
        assertThat(usage()).isEmpty();
    }

    @Test
    void whoHangsUpBeforeTheAdmissionHoldsNothing() throws Exception {
        limit(Metric.CONCURRENT_REQUESTS, 1);
        String body = "{\"model\":\"novella-11m\",\"prompt\":\"forever\"}";
        try (Connection connection = superuser().getConnection();
                Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            statement.execute("lock table reservations in share mode");
            try (Socket socket = new Socket("127.0.0.1", port)) {
                socket.getOutputStream()
                        .write(
                                ("POST "
                                                + TEXT
                                                + " HTTP/1.1\r\nHost: localhost\r\nAuthorization:"
                                                + " Bearer "
                                                + key
                                                + "\r\nContent-Type: application/json\r\n"
                                                + "Content-Length: "
                                                + body.length()
                                                + "\r\n\r\n"
                                                + body)
                                        .getBytes(StandardCharsets.UTF_8));
                while (sql().sql(
                                        "select count(*) from pg_stat_activity"
                                                + " where wait_event_type = 'Lock'"
                                                + " and query like '%quota_books%'")
                                .query(Integer.class)
                                .single()
                        == 0) {
                    Thread.sleep(5);
                }
            }
            // long enough for the server to notice
            Thread.sleep(200);
            connection.rollback();
        }
        HttpResponse<String> next;
        do {
            next = ask("a", 1, "");
        } while (next.statusCode() == 429);
        assertThat(next.statusCode()).isEqualTo(200);
        assertThat(scripted().running).isEmpty();
    }

    @Test
    void aKeyMayDoWhatItsScopesSay() throws Exception {
        IssuedKey reader =
                keys.create(Actor.SERVER, tenant.id(), "r", Set.of(KeyScope.USAGE), null);
        IssuedKey caller =
                keys.create(Actor.SERVER, tenant.id(), "c", Set.of(KeyScope.INFERENCE), null);
        String day = "/v1/organization/usage/completions?start_time=1";
        key = reader.secret();
        assertThat(send(request(day).GET()).statusCode()).isEqualTo(200);
        for (HttpResponse<String> refused :
                List.of(
                        ask("a", 1, ""),
                        send(request("/v1/models").GET()),
                        send(request("/v1/adapters").GET()))) {
            assertThat(refused.statusCode()).isEqualTo(403);
            assertThat(error(refused).get("type").stringValue()).isEqualTo("permission_error");
            assertThat(error(refused).get("code").stringValue()).isEqualTo("insufficient_scope");
        }
        key = caller.secret();
        assertThat(ask("a", 1, "").statusCode()).isEqualTo(200);
        assertThat(send(request("/v1/models").GET()).statusCode()).isEqualTo(200);
        assertThat(send(request(day).GET()).statusCode()).isEqualTo(403);
        assertThat(error(send(request("/v1/adapters").GET())).get("message").stringValue())
                .contains("the scope adapters");
    }
}
