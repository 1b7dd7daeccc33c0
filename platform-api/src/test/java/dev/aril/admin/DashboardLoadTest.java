package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Account;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.RowSecurity;
import dev.aril.tenancy.UsageLedger;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import tools.jackson.databind.JsonNode;

/**
 * Pages over a long ledger: totals equal to it, to the token. {@code ./aril test -pl platform-api
 * -am -Dtest=DashboardLoadTest -Daril.tenants=1000 -Daril.events=2000000
 * -Dsurefire.failIfNoSpecifiedTests=false} prints the pages' p95.
 */
@EnabledIfSystemProperty(named = "aril.events", matches = "[0-9]+")
final class DashboardLoadTest extends AdminTest {
    private static final int TENANTS = Integer.getInteger("aril.tenants", 30);
    private static final int EVENTS = Integer.getInteger("aril.events", 3000);
    private static final int BATCH = 100_000;
    private static final int TIMES = Integer.getInteger("aril.times", 60);

    @Autowired JdbcClient sql;
    @Autowired RowSecurity rows;
    @Autowired UsageLedger ledger;
    @Autowired Limits limits;

    @Test
    void totalsAreTheLedgersAndPagesAreQuick() {
        seed();
        Account admin = newAccount(Role.ADMIN);
        Instant until = Instant.now().truncatedTo(ChronoUnit.DAYS).plus(1, ChronoUnit.DAYS);
        Instant from = until.minus(32, ChronoUnit.DAYS);
        assertThat(total(admin, "/usage?", from, until)).isEqualTo(ledgerTotal(null));
        String busy = busiest();
        assertThat(total(admin, "/tenants/" + busy + "/usage?group_by=key,adapter&", from, until))
                .isEqualTo(ledgerTotal(busy));
        assertThat(ledgerTotal(null)).isGreaterThan(EVENTS * 100L);

        Browser browser = new Browser(this);
        browser.logIn(admin.name(), PASSWORD);
        JsonNode chart =
                json(browser.get("/admin/tenants/" + busy + "/chart?range=month&measure=tokens"));
        assertThat(chart.get("total").decimalValue())
                .isLessThanOrEqualTo(new BigDecimal(ledgerTotal(busy)))
                .isPositive();
        for (Map.Entry<String, String> page :
                List.of(
                        Map.entry("tenants", "/admin/tenants"),
                        Map.entry("tenants, deep", "/admin/tenants?after=" + middle(admin)),
                        Map.entry("tenants, search", "/admin/tenants?search=-b"),
                        Map.entry("tenant", "/admin/tenants/" + busy),
                        Map.entry("tenant, live part", "/admin/tenants/" + busy + "/live"),
                        Map.entry("chart, hour", "/admin/tenants/" + busy + "/chart?range=hour"),
                        Map.entry("chart, day", "/admin/tenants/" + busy + "/chart?range=day"),
                        Map.entry("chart, week", "/admin/tenants/" + busy + "/chart?range=week"),
                        Map.entry(
                                "chart, 30 days, by key",
                                "/admin/tenants/" + busy + "/chart?range=month&by=key"),
                        Map.entry("audit", "/admin/audit"),
                        Map.entry("audit, search", "/admin/audit?search=limit"),
                        Map.entry("system", "/admin/system"),
                        Map.entry("accounts", "/admin/accounts"))) {
            measure(browser, page.getKey(), page.getValue());
        }
    }

    private void measure(Browser browser, String name, String path) {
        List<Long> micros = new ArrayList<>();
        for (int i = 0; i < TIMES + 10; i++) {
            long began = System.nanoTime();
            HttpResponse<String> answer = browser.get(path);
            long took = (System.nanoTime() - began) / 1000;
            assertThat(answer.statusCode()).as(path).isEqualTo(200);
            // the first ones load classes and compile templates
            if (i >= 10) {
                micros.add(took);
            }
        }
        Collections.sort(micros);
        System.out.printf(
                "page: %-24s p50 %6.1f ms  p95 %6.1f ms  %d times, %,d tenants, %,d events%n",
                name,
                micros.get(TIMES / 2) / 1000.0,
                micros.get(TIMES * 95 / 100) / 1000.0,
                TIMES,
                TENANTS,
                EVENTS);
    }

    /** Prompt and generated tokens over all pages of the API's answer. */
    private long total(Account admin, String path, Instant from, Instant until) {
        long tokens = 0;
        String after = "";
        do {
            JsonNode page =
                    json(
                            call(
                                    basic(admin),
                                    "GET",
                                    path
                                            + "granularity=day&limit=10&from="
                                            + from
                                            + "&until="
                                            + until
                                            + after,
                                    null));
            for (JsonNode bucket : page.get("items")) {
                tokens +=
                        bucket.get("prompt_tokens").longValue()
                                + bucket.get("completion_tokens").longValue();
            }
            String next = page.path("next").asString("");
            after = next.isEmpty() ? "" : "&after=" + next;
        } while (!after.isEmpty());
        return tokens;
    }

    private long ledgerTotal(@Nullable String tenant) {
        return rows.ofAll(() ->
                sql.sql(
                                """
                                select coalesce(sum(prompt_tokens + completion_tokens), 0)::bigint
                                from usage_events e join tenants t on t.id = e.tenant_id
                                where cast(:tenant as text) is null or t.name = :tenant
                                """)
                        .param("tenant", tenant)
                        .query(Long.class)
                        .single());
    }

    private String busiest() {
        return rows.ofAll(() ->
                sql.sql(
                                """
                                select t.name from usage_days d join tenants t on t.id = d.tenant_id
                                group by 1 order by sum(d.requests) desc, 1 limit 1
                                """)
                        .query(String.class)
                        .single());
    }

    private String middle(Account admin) {
        JsonNode page =
                json(
                        call(
                                basic(admin),
                                "GET",
                                "/tenants?limit=" + Math.min(500, TENANTS / 2),
                                null));
        return page.get("next").asString();
    }

    /** As autovacuum does within minutes; the application owns no table. */
    private static JdbcClient owner() {
        try {
            Path folder = DATA.resolve("postgres");
            String port = Files.readAllLines(folder.resolve("data/postmaster.pid")).get(3).strip();
            return JdbcClient.create(
                    new DriverManagerDataSource(
                            "jdbc:postgresql://127.0.0.1:" + port + "/postgres",
                            "postgres",
                            Files.readString(folder.resolve("password")).strip()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void seed() {
        Instant began = Instant.now();
        // Past the pool, whose connections give up on statements that take so long.
        JdbcClient owner = owner();
        owner.sql(
                        """
                        insert into tenants (id, name, status, created_at)
                        select gen_random_uuid(),
                            (array['amber','birch','cedar','coral','dune','ember','fern','frost',
                                   'grove','harbor','indigo','juniper','lark','maple','north',
                                   'ocean','pine','quartz','river','sierra'])[1 + i % 20]
                            || '-' ||
                            (array['bakery','bank','books','care','clinic','cloud','craft','data',
                                   'design','energy','farms','foods','games','garden','goods',
                                   'health','homes','labs','legal','logistics','market','media',
                                   'mobility','music','news','optics','paper','parts','pay',
                                   'pharma','press','rail','repair','retail','robotics','school',
                                   'seeds','shipping','sports','studio','supply','systems','tea',
                                   'tools','toys','travel','water','wind','works','yards']
                            )[1 + (i / 20) % 50],
                            'active', now() - interval '60 days'
                        from generate_series(0, :tenants - 1) i
                        """)
                .param("tenants", TENANTS)
                .update();
        for (int first = 1; first <= EVENTS; first += BATCH) {
            owner.sql(
                            """
                            insert into usage_events (
                                request_id, tenant_id, key_id, model, adapter, adapter_version,
                                prompt_tokens, cached_tokens, completion_tokens, finish_reason,
                                admitted_at, started_at, finished_at, engine_ms, cost_picos)
                            select 'seed-' || e.n, t.id,
                                   substr(md5(t.id::text || (e.n % 3)), 1, 12), 'novella-11m',
                                   (array['support','summaries','triage','sql',null])[1 + e.n % 5],
                                   null, 100 + e.n % 400, 0, 20 + e.n % 180, 'stop',
                                   e.at, e.at, e.at + interval '1 second', 300 + e.n % 900,
                                   (e.n % 1000) * 1000000
                            from (
                                select n, now() - interval '1 minute'
                                          - random() ^ 1.4 * interval '29 days' as at,
                                       floor(random() ^ 1.7 * :tenants)::int as whose
                                from generate_series(:first, :last) n) e
                            join (
                                select id, row_number() over (order by name) - 1 as i
                                from tenants where created_at < now() - interval '59 days') t
                                on t.i = e.whose
                            """)
                    .param("tenants", TENANTS)
                    .param("first", first)
                    .param("last", Math.min(first + BATCH - 1, EVENTS))
                    .update();
        }
        long seeded = Duration.between(began, Instant.now()).toMillis();
        owner.sql("select usage_rebuild(null, '-infinity', 'infinity')").query(_ -> {});
        owner.sql("analyze").update();
        for (var tenant : tenants.page(null, null, null, 50).items()) {
            for (Map.Entry<Metric, Long> limit :
                    List.of(
                            Map.entry(Metric.TOKENS_PER_DAY, 250_000L),
                            Map.entry(Metric.TOKENS_PER_MONTH, 6_000_000L),
                            Map.entry(Metric.REQUESTS_PER_MINUTE, 600L),
                            Map.entry(Metric.CONCURRENT_REQUESTS, 16L))) {
                limits.set(
                        TEST,
                        tenant.tenant().id(),
                        Limit.hard(QuotaScope.TENANT, limit.getKey(), limit.getValue()));
            }
        }
        System.out.printf(
                "seed: %,d tenants, %,d events in %,d ms, with rollups and limits in %,d ms%n",
                TENANTS, EVENTS, seeded, Duration.between(began, Instant.now()).toMillis());
    }
}
