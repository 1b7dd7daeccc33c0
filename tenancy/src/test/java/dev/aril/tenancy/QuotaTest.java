package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Three servers on one database: what is admitted, what is counted, what is left. */
@SuppressWarnings("NullAway.Init") // made before each
class QuotaTest {
    private static final Actor ADMIN = new Actor("ada", "test");

    @TempDir static Path folder;
    private static Replicas replicas;

    private Tenant tenant;
    private Quota quota;

    @BeforeAll
    static void start() throws IOException {
        replicas = new Replicas(folder, 3);
    }

    @AfterAll
    static void stop() {
        replicas.close();
    }

    @BeforeEach
    void aTenant() {
        tenant = replicas.get(0).tenants().create("t-" + UUID.randomUUID());
        quota = replicas.get(0).quota();
    }

    @AfterEach
    void theBooksBalance() {
        assertThat(replicas.get(0).ledger().conservation().differences()).isEmpty();
        replicas.ahead.set(Duration.ZERO);
    }

    @ParameterizedTest
    @EnumSource(
            value = Metric.class,
            names = {"ADAPTERS", "STORED_BYTES"},
            mode = EnumSource.Mode.EXCLUDE)
    void exactlyTheLimitIsAdmittedOverThreeServers(Metric metric) {
        boolean tokens = metric.text().startsWith("tokens");
        int attempts = 600;
        long most = 137;
        limit(QuotaScope.TENANT, metric, tokens ? most * 40 + 39 : most);
        List<CompletableFuture<Admission>> asked = new ArrayList<>();
        for (int i = 0; i < attempts; i++) {
            asked.add(replicas.get(i % 3).quota().reserve(request("k", null, 15, 25)));
        }
        List<Admission> answers = asked.stream().map(CompletableFuture::join).toList();
        assertThat(answers.stream().filter(Reservation.class::isInstance)).hasSize((int) most);
        LimitState state = state();
        assertThat(state.reserved()).isEqualTo(tokens ? most * 40 : most);
        assertThat(state.used()).isZero();
        QuotaRefused refused =
                answers.stream()
                        .filter(QuotaRefused.class::isInstance)
                        .map(QuotaRefused.class::cast)
                        .findFirst()
                        .orElseThrow();
        assertThat(refused.metric()).isEqualTo(metric);
        assertThat(refused.requested()).isEqualTo(tokens ? 40 : 1);
        assertThat(refused.used() + refused.requested()).isGreaterThan(refused.limit());
        assertThat(refused.retryable())
                .isEqualTo(metric != Metric.TOKENS_PER_DAY && metric != Metric.TOKENS_PER_MONTH);
        for (Admission answer : answers) {
            if (answer instanceof Reservation reservation) {
                quota.cancel(reservation).join();
            }
        }
        assertThat(state().reserved()).isZero();
    }

    @Test
    void whatIsSettledIsCountedAndTheRestGivenBack() {
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_DAY, 100);
        Reservation first = admitted(request("k", null, 10, 50));
        assertThat(quota.reserve(request("k", null, 10, 50)).join())
                .isInstanceOf(QuotaRefused.class);
        assertThat(quota.settle(first, event(first, 10, 7)).join()).isEqualTo(Settlement.RECORDED);
        assertThat(state().used()).isEqualTo(17);
        assertThat(state().reserved()).isZero();
        admitted(request("k", null, 10, 73));
        QuotaRefused refused = refused(request("k", null, 1, 0));
        assertThat(refused.used()).isEqualTo(100);
        assertThat(refused.limit()).isEqualTo(100);
        assertThat(refused.resetAt())
                .isEqualTo(
                        first.admittedAt()
                                .truncatedTo(java.time.temporal.ChronoUnit.DAYS)
                                .plus(Duration.ofDays(1)));
    }

    @Test
    void settlingTwiceCountsOnceWhereverItHappens() {
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_MONTH, 1000);
        Reservation reservation = admitted(request("k", "a", 10, 50));
        UsageEvent event = event(reservation, 10, 20);
        List<CompletableFuture<Settlement>> settled = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            settled.add(replicas.get(i % 3).quota().settle(reservation, event));
        }
        assertThat(settled.stream().map(CompletableFuture::join))
                .filteredOn(s -> s == Settlement.RECORDED)
                .hasSize(1);
        assertThat(state().used()).isEqualTo(30);
        RecordedEvent recorded =
                replicas.get(1).ledger().recent(tenant.id(), null, 10).items().getFirst();
        assertThat(recorded.event()).isEqualTo(event);
        assertThat(recorded.admittedAt()).isEqualTo(reservation.admittedAt());
    }

    @Test
    void anySixtySecondsHoldAtMostTheLimitAndNearlyAllOfIt() {
        // Small steps through several minutes; what was admitted is checked against every window.
        long most = 40;
        limit(QuotaScope.TENANT, Metric.REQUESTS_PER_MINUTE, most);
        List<Instant> admitted = new ArrayList<>();
        Random random = new Random(3);
        Duration ahead = Duration.ZERO;
        for (int i = 0; i < 900; i++) {
            ahead = ahead.plusMillis(random.nextInt(500));
            replicas.ahead.set(ahead);
            if (replicas.get(i % 3).quota().reserve(request("k", null, 1, 1)).join()
                    instanceof Reservation reservation) {
                admitted.add(reservation.admittedAt());
                quota.settle(reservation, event(reservation, 1, 1)).join();
            }
        }
        for (Instant end : admitted) {
            Instant begin = end.minusSeconds(60);
            assertThat(admitted.stream().filter(t -> t.isAfter(begin) && !t.isAfter(end)))
                    .hasSizeLessThanOrEqualTo((int) most);
        }
        // one minute's worth each 60.5 s, less what the steps leave unasked
        Duration span = Duration.between(admitted.getFirst(), admitted.getLast());
        assertThat(admitted.size()).isGreaterThan((int) (0.97 * most * span.toMillis() / 60_500.0));
    }

    @Test
    void aRefusalSaysWhenTheRequestFits() {
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_MINUTE, 100);
        admitted(request("k", null, 30, 0));
        replicas.ahead.set(Duration.ofSeconds(20));
        admitted(request("k", null, 60, 0));
        QuotaRefused soon = refused(request("k", null, 40, 0));
        assertThat(soon.retryAfter())
                .isBetween(Duration.ofMillis(39_000), Duration.ofMillis(40_500));
        QuotaRefused later = refused(request("k", null, 41, 0));
        assertThat(later.retryAfter())
                .isBetween(Duration.ofMillis(59_000), Duration.ofMillis(60_500));
        QuotaRefused never = refused(request("k", null, 101, 0));
        assertThat(never.neverFits()).isTrue();
        assertThat(never.retryable()).isFalse();
        assertThat(never.resetAt()).isEqualTo(Instant.MAX);
        replicas.ahead.set(Duration.ofSeconds(20).plus(soon.retryAfter()));
        admitted(request("k", null, 40, 0));
    }

    @Test
    void headroomFallsWithEachRequest() {
        assertThat(admitted(request("k", null, 1, 1)).remaining()).isEqualTo(Headroom.UNLIMITED);
        limit(QuotaScope.TENANT, Metric.REQUESTS_PER_MINUTE, 3);
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_MINUTE, 1000);
        limit(QuotaScope.key("k"), Metric.TOKENS_PER_MINUTE, 500);
        // the first of them was before the limits, and counts
        for (int left = 1; left >= 0; left--) {
            Headroom headroom = admitted(request("k", null, 10, 90)).remaining();
            Headroom.Room requests = Objects.requireNonNull(headroom.requests());
            assertThat(requests.limit()).isEqualTo(3);
            assertThat(requests.remaining()).isEqualTo(left);
            assertThat(requests.reset())
                    .isBetween(Duration.ofSeconds(60), Duration.ofMillis(60_500));
            Headroom.Room tokens = Objects.requireNonNull(headroom.tokens());
            assertThat(tokens.limit()).isEqualTo(500);
            assertThat(tokens.remaining()).isEqualTo(498 - 100 * (2 - left));
        }
        QuotaRefused refused = refused(request("k", null, 10, 90));
        assertThat(Objects.requireNonNull(refused.headroom().requests()).remaining()).isZero();
        assertThat(Objects.requireNonNull(refused.headroom().tokens()).remaining()).isEqualTo(298);
    }

    @Test
    void keysAndAdaptersHaveLimitsOfTheirOwn() {
        limit(QuotaScope.key("narrow"), Metric.CONCURRENT_REQUESTS, 1);
        limit(QuotaScope.adapter("small"), Metric.TOKENS_PER_DAY, 50);
        admitted(request("narrow", null, 1, 1));
        assertThat(refused(request("narrow", null, 1, 1)).scope())
                .isEqualTo(QuotaScope.key("narrow"));
        admitted(request("wide", null, 1, 1));
        admitted(request("wide", "small", 20, 20));
        assertThat(refused(request("wide", "small", 10, 10)).scope())
                .isEqualTo(QuotaScope.adapter("small"));
        admitted(request("wide", "other", 10, 10));
    }

    @Test
    void nothingIsHeldWhenOneOfSeveralLimitsRefuses() {
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_DAY, 1000);
        limit(QuotaScope.key("k"), Metric.TOKENS_PER_DAY, 10);
        refused(request("k", null, 10, 10));
        assertThat(replicas.get(0).limits().of(tenant.id()))
                .allMatch(s -> s.reserved() == 0 && s.used() == 0)
                .hasSize(2);
    }

    @Test
    void aLimitSetLaterCountsWhatWasBefore() {
        Reservation spent = admitted(request("k", "a", 10, 50));
        quota.settle(spent, event(spent, 10, 20)).join();
        admitted(request("k", "a", 10, 50));
        admitted(request("other", null, 1, 1));
        limit(QuotaScope.adapter("a"), Metric.TOKENS_PER_MONTH, 1000);
        assertThat(state().used()).isEqualTo(30);
        assertThat(state().reserved()).isEqualTo(60);
        limit(QuotaScope.adapter("a"), Metric.CONCURRENT_REQUESTS, 1);
        refused(request("k", "a", 1, 1));
    }

    @Test
    void aShadowLimitOnlyCountsWhatItWouldHaveRefused() {
        replicas.get(0)
                .limits()
                .set(
                        ADMIN,
                        tenant.id(),
                        new Limit(
                                QuotaScope.TENANT,
                                Metric.REQUESTS_PER_MINUTE,
                                2L,
                                null,
                                true,
                                null,
                                null));
        for (int i = 0; i < 5; i++) {
            admitted(request("k", null, 1, 1));
        }
        assertThat(state().wouldHaveRefused()).isEqualTo(3);
    }

    @Test
    void aRaiseHoldsUntilItEnds() {
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_DAY, 10);
        refused(request("k", null, 20, 0));
        replicas.get(1)
                .limits()
                .raise(
                        ADMIN,
                        tenant.id(),
                        QuotaScope.TENANT,
                        Metric.TOKENS_PER_DAY,
                        30,
                        Instant.now().plusSeconds(3600));
        Reservation raised = admitted(request("k", null, 20, 0));
        quota.cancel(raised).join();
        assertThat(state().inForce()).isEqualTo(30);
        replicas.ahead.set(Duration.ofHours(2));
        refused(request("k", null, 20, 0));
        assertThatThrownBy(() ->
                        replicas.get(1)
                                .limits()
                                .raise(
                                        ADMIN,
                                        tenant.id(),
                                        QuotaScope.TENANT,
                                        Metric.TOKENS_PER_DAY,
                                        10,
                                        Instant.now().plusSeconds(60)))
                .isInstanceOf(Absent.class);
    }

    @Test
    void loweringALimitRefusesTheNextRequestEverywhere() {
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_DAY, 1000);
        admitted(request("k", null, 50, 50));
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_DAY, 150);
        for (Tenancy replica : replicas.all()) {
            Admission answer = replica.quota().reserve(request("k", null, 50, 50)).join();
            assertThat(answer).isInstanceOf(QuotaRefused.class);
            assertThat(((QuotaRefused) answer).limit()).isEqualTo(150);
        }
        replicas.get(2)
                .limits()
                .remove(ADMIN, tenant.id(), QuotaScope.TENANT, Metric.TOKENS_PER_DAY);
        admitted(request("k", null, 50, 50));
        assertThat(replicas.get(0).limits().of(tenant.id())).isEmpty();
    }

    @Test
    void whatADeadServerHeldIsSettledByItsCheckpointOrFreed() throws Exception {
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_DAY, 1000);
        Reservation noted = admitted(request("k", "a", 10, 90));
        Reservation silent = admitted(request("k", "a", 10, 90));
        assertThat(quota.checkpoint(noted, event(noted, 10, 30)).join()).isTrue();
        // Killed without a word, twenty seconds ago.
        UUID dead = UUID.randomUUID();
        replicas.sql()
                .sql("insert into replicas values (?, now() - interval '20 s')")
                .param(dead)
                .update();
        replicas.sql()
                .sql("update reservations set replica = ? where tenant_id = ?")
                .param(dead)
                .param(tenant.id().value())
                .update();
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (state().reserved() > 0 && System.nanoTime() < deadline) {
            Thread.sleep(100);
        }
        assertThat(state().reserved()).isZero();
        assertThat(state().used()).isEqualTo(40);

        // It was not dead after all, and what it says now is not lost.
        assertThat(quota.checkpoint(silent, event(silent, 10, 1)).join()).isFalse();
        assertThat(quota.settle(noted, event(noted, 10, 55)).join()).isEqualTo(Settlement.RECORDED);
        assertThat(quota.settle(silent, event(silent, 10, 5)).join())
                .isEqualTo(Settlement.RECORDED);
        assertThat(quota.settle(noted, event(noted, 10, 55)).join())
                .isEqualTo(Settlement.ALREADY_RECORDED);
        assertThat(state().used()).isEqualTo(65 + 15);
    }

    @Test
    void aReservationWhoseAnswerWasLostIsTakenBack() {
        limit(QuotaScope.TENANT, Metric.CONCURRENT_REQUESTS, 5);
        replicas.sql()
                .sql(
                        """
                        insert into reservations (
                            id, tenant_id, key_id, request_id, tokens, admitted_at, replica)
                        values (gen_random_uuid(), ?, 'k', 'lost', 5, now() - interval '1 min', ?)
                        """)
                .param(tenant.id().value())
                .param(replicas.get(0).replica())
                .update();
        limit(QuotaScope.TENANT, Metric.CONCURRENT_REQUESTS, 5);
        assertThat(state().reserved()).isEqualTo(1);
        replicas.get(0).life().forgetLost();
        quota.cancel(admitted(request("k", null, 1, 1))).join();
        assertThat(state().reserved()).isZero();
    }

    @Test
    void oneThatCannotBeWrittenDoesNotHarmItsNeighbours() {
        limit(QuotaScope.TENANT, Metric.TOKENS_PER_DAY, 1_000_000);
        List<CompletableFuture<Settlement>> good = new ArrayList<>();
        List<CompletableFuture<Settlement>> bad = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            Reservation reservation = admitted(request("k", null, 1, 1));
            UsageEvent event = event(reservation, 1, 1);
            if (i % 10 == 5) {
                // the column takes 64 hex digits
                bad.add(
                        quota.settle(
                                reservation,
                                new UsageEvent(
                                        event.requestId(),
                                        event.tenant(),
                                        "k",
                                        "m",
                                        "a",
                                        "not hex",
                                        1,
                                        0,
                                        1,
                                        "stop",
                                        event.startedAt(),
                                        null,
                                        null,
                                        event.finishedAt(),
                                        1)));
            } else {
                good.add(quota.settle(reservation, event));
            }
        }
        assertThat(good).allSatisfy(s -> assertThat(s.join()).isEqualTo(Settlement.RECORDED));
        assertThat(bad)
                .allSatisfy(s ->
                        assertThatThrownBy(s::join).hasCauseInstanceOf(QuotaUnavailable.class));
        assertThat(state().used()).isEqualTo(72);
    }

    @Test
    void rollupsAreMadeAnewFromEvents() {
        for (int i = 0; i < 20; i++) {
            Reservation reservation = admitted(request("k" + i % 2, i % 3 == 0 ? "a" : null, 5, 5));
            quota.settle(reservation, event(reservation, 5, i % 5)).join();
        }
        Instant now = Instant.now();
        UsageQuery query =
                UsageQuery.of(
                        tenant.id(),
                        Granularity.DAY,
                        now.minus(Duration.ofDays(1)),
                        now.plus(Duration.ofDays(1)));
        UsageLedger ledger = replicas.get(0).ledger();
        List<UsageBucket> before = ledger.buckets(query, null, 10).items();
        assertThat(before).hasSizeGreaterThanOrEqualTo(4);
        assertThat(before.stream().mapToLong(UsageBucket::requests).sum()).isEqualTo(20);
        assertThat(before.stream().mapToLong(UsageBucket::completionTokens).sum()).isEqualTo(40);
        replicas.sql().sql("update usage_days set prompt_tokens = 1").update();
        replicas.sql().sql("delete from usage_minutes").update();
        assertThat(ledger.conservation().holds()).isFalse();
        ledger.rebuildRollups(now.minus(Duration.ofDays(3)), now.plus(Duration.ofDays(3)));
        assertThat(ledger.buckets(query, null, 10).items()).isEqualTo(before);
    }

    private void limit(QuotaScope scope, Metric metric, long hard) {
        replicas.get(0).limits().set(ADMIN, tenant.id(), Limit.hard(scope, metric, hard));
    }

    private LimitState state() {
        return replicas.get(2).limits().of(tenant.id()).getFirst();
    }

    private ReserveRequest request(String key, @Nullable String adapter, long prompt, long most) {
        return new ReserveRequest(
                "r-" + UUID.randomUUID(), tenant.id(), key, adapter, prompt, most);
    }

    private Reservation admitted(ReserveRequest request) {
        Admission answer = quota.reserve(request).join();
        assertThat(answer).isInstanceOf(Reservation.class);
        return (Reservation) answer;
    }

    private QuotaRefused refused(ReserveRequest request) {
        Admission answer = quota.reserve(request).join();
        assertThat(answer).isInstanceOf(QuotaRefused.class);
        return (QuotaRefused) answer;
    }

    private static UsageEvent event(Reservation of, long prompt, long completion) {
        Instant now = Instant.now().truncatedTo(java.time.temporal.ChronoUnit.MILLIS);
        return new UsageEvent(
                of.requestId(),
                of.tenant(),
                of.keyId(),
                "novella-11m",
                of.adapter(),
                of.adapter() == null ? null : "ab".repeat(32),
                prompt,
                0,
                completion,
                "stop",
                now,
                now,
                now,
                now,
                3);
    }
}
