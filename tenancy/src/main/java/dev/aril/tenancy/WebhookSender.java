package dev.aril.tenancy;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import io.github.resilience4j.core.IntervalFunction;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * Carries warnings out: at least once, in no order, for a day.
 *
 * <p>A message is a POST of JSON with {@code X-Aril-Event}, {@code X-Aril-Delivery} (the same at
 * each attempt) and {@code X-Aril-Signature: t=SECONDS,v1=HEX}, where HEX is HMAC-SHA-256 of {@code
 * SECONDS.BODY} under the endpoint's secret. Any 2xx is success; redirects are not followed.
 */
final class WebhookSender implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(WebhookSender.class);

    private static final Duration ATTEMPT = Duration.ofSeconds(10);
    private static final Duration GIVE_UP = Duration.ofHours(24);
    private static final int AT_ONCE = 20;

    /** 5 s, 10 s, 20 s … at most an hour, each up to half more or less. */
    private static final IntervalFunction WAITS =
            IntervalFunction.ofExponentialRandomBackoff(
                    Duration.ofSeconds(5), 2.0, 0.5, Duration.ofHours(1));

    private record Due(
            UUID id,
            UUID endpoint,
            String url,
            String type,
            String payload,
            int attempts,
            Instant createdAt) {}

    private final RowSecurity rows;
    private final JdbcClient sql;
    private final Webhooks webhooks;
    private final WebhookAddresses addresses;
    private final InstantSource clock;
    private final HttpClient http =
            HttpClient.newBuilder()
                    .connectTimeout(ATTEMPT)
                    .followRedirects(HttpClient.Redirect.NEVER)
                    .build();

    /** An endpoint that fails five times in a row is left alone for half a minute. */
    private final CircuitBreakerRegistry breakers =
            CircuitBreakerRegistry.of(
                    CircuitBreakerConfig.custom()
                            .slidingWindowSize(5)
                            .minimumNumberOfCalls(5)
                            .failureRateThreshold(100)
                            .waitDurationInOpenState(Duration.ofSeconds(30))
                            .permittedNumberOfCallsInHalfOpenState(1)
                            .build());

    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(work -> {
                Thread thread = new Thread(work, "webhooks");
                thread.setDaemon(true);
                return thread;
            });

    WebhookSender(
            RowSecurity rows,
            JdbcClient sql,
            Webhooks webhooks,
            WebhookAddresses addresses,
            InstantSource clock) {
        this.rows = rows;
        this.sql = sql;
        this.webhooks = webhooks;
        this.addresses = addresses;
        this.clock = clock;
    }

    void begin() {
        timer.scheduleWithFixedDelay(
                () -> {
                    try {
                        sendDue();
                    } catch (RuntimeException e) {
                        LOG.warn("webhooks wait for the database: {}", e.toString());
                    }
                },
                1,
                1,
                TimeUnit.SECONDS);
    }

    /** Tries what is due; what another replica tries is left to it. */
    void sendDue() {
        List<Due> due;
        do {
            due = claim();
            due.forEach(this::send);
        } while (due.size() == AT_ONCE);
    }

    private List<Due> claim() {
        return rows.ofAll(() ->
                sql.sql(
                                """
                                with due as (
                                    select id from webhook_deliveries
                                    where state = 'pending' and next_at <= :now
                                    order by next_at limit :most for update skip locked
                                ), claimed as (
                                    update webhook_deliveries d
                                    set next_at = :until, attempts = attempts + 1
                                    from due where d.id = due.id
                                    returning d.id, d.event_id, d.endpoint_id, d.attempts,
                                              d.created_at
                                )
                                select c.id, c.endpoint_id, p.url, e.type, e.payload, c.attempts,
                                       c.created_at
                                from claimed c
                                join webhook_events e on e.id = c.event_id
                                join webhook_endpoints p on p.id = c.endpoint_id
                                """)
                        .param("now", Columns.time(clock.instant()))
                        // long after each of them has been tried, if this process lives
                        .param("until", Columns.time(clock.instant().plus(Duration.ofMinutes(5))))
                        .param("most", AT_ONCE)
                        .query((row, _) ->
                                new Due(
                                        row.getObject("id", UUID.class),
                                        row.getObject("endpoint_id", UUID.class),
                                        row.getString("url"),
                                        row.getString("type"),
                                        row.getString("payload"),
                                        row.getInt("attempts"),
                                        Columns.moment(row, "created_at")))
                        .list());
    }

    private void send(Due due) {
        CircuitBreaker breaker = breakers.circuitBreaker(due.endpoint().toString());
        if (!breaker.tryAcquirePermission()) {
            note(due, "the endpoint keeps failing; left alone for a while");
            return;
        }
        long begun = System.nanoTime();
        @Nullable String fault = attempt(due);
        long took = System.nanoTime() - begun;
        if (fault == null) {
            breaker.onSuccess(took, TimeUnit.NANOSECONDS);
        } else {
            breaker.onError(took, TimeUnit.NANOSECONDS, new IOException(fault));
        }
        note(due, fault);
    }

    /** Null when it was taken. */
    private @Nullable String attempt(Due due) {
        URI url = URI.create(due.url());
        String fault = addresses.faultOf(url);
        if (fault == null) {
            fault = addresses.faultOfHost(url);
        }
        if (fault != null) {
            return fault;
        }
        long seconds = clock.instant().getEpochSecond();
        HttpRequest request =
                HttpRequest.newBuilder(url)
                        .timeout(ATTEMPT)
                        .header("Content-Type", "application/json")
                        .header("User-Agent", "aril-webhooks")
                        .header("X-Aril-Event", due.type())
                        .header("X-Aril-Delivery", due.id().toString())
                        .header(
                                "X-Aril-Signature",
                                "t="
                                        + seconds
                                        + ",v1="
                                        + sign(
                                                webhooks.secret(due.endpoint()),
                                                seconds + "." + due.payload()))
                        .POST(BodyPublishers.ofString(due.payload()))
                        .build();
        try {
            HttpResponse<Void> response = http.send(request, BodyHandlers.discarding());
            int status = response.statusCode();
            return status >= 200 && status < 300 ? null : "status " + status;
        } catch (IOException e) {
            return e.getClass().getSimpleName() + ": " + e.getMessage();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "the server is shutting down";
        }
    }

    private void note(Due due, @Nullable String fault) {
        Instant now = clock.instant();
        Duration wait = Duration.ofMillis(WAITS.apply(Math.min(due.attempts(), 20)));
        boolean dead = fault != null && now.plus(wait).isAfter(due.createdAt().plus(GIVE_UP));
        String state = fault == null ? "delivered" : dead ? "dead" : "pending";
        rows.ofAll(() ->
                sql.sql(
                                """
                                update webhook_deliveries
                                set state = :state, next_at = :next::timestamptz,
                                    last_error = :fault
                                where id = :id
                                """)
                        .param("state", state)
                        .param(
                                "next",
                                state.equals("pending") ? Columns.time(now.plus(wait)) : null)
                        .param("fault", fault)
                        .param("id", due.id())
                        .update());
    }

    /** Lower-case hex. */
    static String sign(String secret, String message) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            return HexFormat.of().formatHex(mac.doFinal(message.getBytes(StandardCharsets.UTF_8)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has HmacSHA256", e);
        }
    }

    @Override
    public void close() {
        timer.shutdownNow();
        http.shutdownNow();
    }
}
