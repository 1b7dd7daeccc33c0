package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A warning is written with what it warns of, and carried to a real receiver. */
@SuppressWarnings("NullAway.Init") // made before each
class WebhooksTest {
    private static final Actor ADMIN = new Actor("ada", "test");

    private record Received(String event, String delivery, String signature, String body) {}

    @TempDir Path folder;

    private final AtomicInteger status = new AtomicInteger(204);
    private final List<Received> received = new CopyOnWriteArrayList<>();
    private HttpServer receiver;
    private Replicas replicas;
    private Tenancy server;
    private Tenant tenant;

    @BeforeEach
    void start() throws IOException {
        receiver = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        receiver.createContext(
                "/",
                exchange -> {
                    received.add(
                            new Received(
                                    exchange.getRequestHeaders().getFirst("X-Aril-Event"),
                                    exchange.getRequestHeaders().getFirst("X-Aril-Delivery"),
                                    exchange.getRequestHeaders().getFirst("X-Aril-Signature"),
                                    new String(
                                            exchange.getRequestBody().readAllBytes(),
                                            StandardCharsets.UTF_8)));
                    exchange.sendResponseHeaders(status.get(), -1);
                    exchange.close();
                });
        receiver.start();
        replicas = new Replicas(folder, 1);
        server = replicas.get(0);
        tenant = server.tenants().create("warned");
    }

    @AfterEach
    void stop() {
        replicas.close();
        receiver.stop(0);
    }

    @Test
    void crossingASoftLimitIsToldOnceAndSigned() throws Exception {
        Webhooks.Registered endpoint = register();
        softLimit(50);
        spend(30);
        spend(15);
        server.sender().sendDue();
        assertThat(received).isEmpty();
        spend(10);
        spend(10);
        awaitReceived(1);
        Received told = received.getFirst();
        assertThat(told.event()).isEqualTo("quota.soft_limit_reached");
        JsonNode body = JsonMapper.shared().readTree(told.body());
        assertThat(body.get("tenant").stringValue()).isEqualTo("warned");
        assertThat(body.get("metric").stringValue()).isEqualTo("tokens_per_day");
        assertThat(body.get("soft_limit").longValue()).isEqualTo(50);
        assertThat(body.get("reached").longValue()).isEqualTo(55);
        String[] parts = told.signature().split("[=,]");
        assertThat(parts[3])
                .isEqualTo(WebhookSender.sign(endpoint.secret(), parts[1] + "." + told.body()));
        awaitState(WebhookDelivery.State.DELIVERED);
        server.sender().sendDue();
        assertThat(received).hasSize(1);
    }

    @Test
    void aFailedDeliveryIsTriedAgainUntilItsDayIsOverAndCanBeRedriven() throws Exception {
        register();
        status.set(500);
        softLimit(1);
        spend(5);
        awaitReceived(1);
        WebhookDelivery tried = awaitAttempts(1);
        assertThat(tried.state()).isEqualTo(WebhookDelivery.State.PENDING);
        assertThat(tried.lastError()).isEqualTo("status 500");
        assertThat(tried.nextAt()).isAfter(tried.createdAt());
        replicas.ahead.set(Duration.ofMinutes(10));
        awaitReceived(2);
        assertThat(received.get(1).delivery()).isEqualTo(received.get(0).delivery());
        replicas.ahead.set(Duration.ofHours(30));
        awaitState(WebhookDelivery.State.DEAD);
        status.set(200);
        server.webhooks().redrive(ADMIN, tried.id());
        awaitState(WebhookDelivery.State.DELIVERED);
        assertThatThrownBy(() -> server.webhooks().redrive(ADMIN, tried.id()))
                .isInstanceOf(Absent.class);
    }

    @Test
    void aRemovedEndpointHearsNothingMore() {
        Webhooks.Registered endpoint = register();
        assertThat(server.webhooks().endpoints(tenant.id())).containsExactly(endpoint.endpoint());
        server.webhooks().remove(ADMIN, endpoint.endpoint().id());
        softLimit(1);
        spend(5);
        server.sender().sendDue();
        assertThat(received).isEmpty();
        assertThat(server.webhooks().endpoints(tenant.id())).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "https://127.0.0.1/",
                "https://10.1.2.3/",
                "https://192.168.0.1/",
                "https://172.20.0.1/",
                "https://169.254.169.254/latest/meta-data",
                "https://100.64.0.1/",
                "https://0.0.0.0/",
                "https://[::1]/",
                "https://[fd00::1]/",
                "https://[fe80::1]/",
                "https://[::ffff:10.0.0.1]/",
                "https://[2002:0a00:0001::1]/",
                "https://localhost/",
                "https://2130706433/"
            })
    void privateAddressesAreRefused(String url) {
        assertThat(new WebhookAddresses(false).faultOfHost(URI.create(url))).isNotNull();
    }

    @Test
    void onlyWholeHttpsUrlsAreTaken() {
        WebhookAddresses addresses = new WebhookAddresses(false);
        for (String url :
                new String[] {
                    "http://203.0.113.7/", "ftp://203.0.113.7/", "/hook", "https://u:p@203.0.113.7/"
                }) {
            assertThat(addresses.faultOf(URI.create(url))).as(url).isNotNull();
        }
        URI open = URI.create("https://203.0.113.7/hook?a=b");
        assertThat(addresses.faultOf(open)).isNull();
        assertThat(addresses.faultOfHost(open)).isNull();
    }

    private Webhooks.Registered register() {
        return server.webhooks()
                .register(
                        ADMIN,
                        tenant.id(),
                        URI.create("http://127.0.0.1:" + receiver.getAddress().getPort() + "/h"));
    }

    private void softLimit(long soft) {
        server.limits()
                .set(
                        ADMIN,
                        tenant.id(),
                        new Limit(
                                QuotaScope.TENANT,
                                Metric.TOKENS_PER_DAY,
                                null,
                                soft,
                                false,
                                null,
                                null));
    }

    private void spend(long tokens) {
        String id = "g-" + UUID.randomUUID();
        Reservation held =
                (Reservation)
                        server.quota()
                                .reserve(new ReserveRequest(id, tenant.id(), "k", null, tokens, 0))
                                .join();
        Instant now = Instant.now();
        server.quota()
                .settle(
                        held,
                        new UsageEvent(
                                id,
                                tenant.id(),
                                "k",
                                "m",
                                null,
                                null,
                                tokens,
                                0,
                                0,
                                "stop",
                                now,
                                null,
                                null,
                                now,
                                1))
                .join();
    }

    private void awaitReceived(int count) throws InterruptedException {
        for (int i = 0; i < 300 && received.size() < count; i++) {
            Thread.sleep(50);
        }
        assertThat(received).hasSizeGreaterThanOrEqualTo(count);
    }

    private WebhookDelivery delivery() {
        return server.webhooks().deliveries(tenant.id(), null, 10).items().getFirst();
    }

    private WebhookDelivery awaitAttempts(int attempts) throws InterruptedException {
        for (int i = 0; i < 300 && delivery().lastError() == null; i++) {
            Thread.sleep(50);
        }
        assertThat(delivery().attempts()).isEqualTo(attempts);
        return delivery();
    }

    private void awaitState(WebhookDelivery.State state) throws InterruptedException {
        for (int i = 0; i < 300 && delivery().state() != state; i++) {
            Thread.sleep(50);
        }
        assertThat(delivery().state()).isEqualTo(state);
    }
}
