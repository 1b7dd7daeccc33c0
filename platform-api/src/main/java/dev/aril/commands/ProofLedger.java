package dev.aril.commands;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Conservation;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.Tenancy;
import dev.aril.tenancy.TenantId;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.springframework.jdbc.core.simple.JdbcClient;

/** Compares what was acknowledged with what the database has. */
final class ProofLedger {
    static final Actor PROOF = new Actor("proof", "command");

    private final Map<String, Long> acknowledged = new ConcurrentHashMap<>();
    private final JdbcClient sql;

    ProofLedger(JdbcClient sql) {
        this.sql = sql;
    }

    void acknowledge(String request, long tokens) {
        acknowledged.put(request, tokens);
    }

    int acknowledged() {
        return acknowledged.size();
    }

    /** Tenants under every kind of limit, one of which is small enough to be reached. */
    static List<TenantId> tenants(Tenancy tenancy) {
        List<TenantId> tenants = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            TenantId tenant = tenancy.tenants().create(PROOF, "proof-" + i).id();
            Limits limits = tenancy.limits();
            for (Metric metric :
                    List.of(
                            Metric.REQUESTS_PER_MINUTE,
                            Metric.TOKENS_PER_MINUTE,
                            Metric.TOKENS_PER_DAY,
                            Metric.TOKENS_PER_MONTH,
                            Metric.CONCURRENT_REQUESTS)) {
                limits.set(PROOF, tenant, Limit.hard(QuotaScope.TENANT, metric, 100_000_000_000L));
            }
            limits.set(
                    PROOF,
                    tenant,
                    Limit.hard(QuotaScope.key("key0"), Metric.CONCURRENT_REQUESTS, 3));
            limits.set(
                    PROOF,
                    tenant,
                    Limit.hard(QuotaScope.adapter("adapter"), Metric.TOKENS_PER_MONTH, 1_000_000));
            tenants.add(tenant);
        }
        limitsOfOneAreReached(tenancy, tenants.getFirst());
        return tenants;
    }

    private static void limitsOfOneAreReached(Tenancy tenancy, TenantId tenant) {
        tenancy.limits()
                .set(PROOF, tenant, Limit.hard(QuotaScope.TENANT, Metric.TOKENS_PER_DAY, 20_000));
    }

    /** Acknowledged requests whose event is absent, or says other tokens. */
    long lost() {
        // Before the question: what is acknowledged while it is answered is the next one's.
        Map<String, Long> before = Map.copyOf(acknowledged);
        Map<String, Long> recorded = new HashMap<>();
        sql.sql(
                        """
                        select case when request_id like '%:2' then left(request_id, -2)
                                    else request_id end as request,
                               sum(prompt_tokens + completion_tokens) as tokens
                        from usage_events group by 1
                        """)
                .query(row -> {
                    recorded.put(row.getString("request"), row.getLong("tokens"));
                });
        return before.entrySet().stream()
                .filter(e -> !e.getValue().equals(recorded.get(e.getKey())))
                .count();
    }

    /** Requests with more than one event. */
    long duplicated() {
        return sql.sql(
                        """
                        select count(*) from (
                            select request_id from usage_events group by 1 having count(*) > 1) d
                        """)
                .query(Long.class)
                .single();
    }

    /** Hard limits that are exceeded. */
    long exceeded() {
        return sql.sql(
                        """
                        select count(*) from limits l
                        where l.hard < (
                            select coalesce(sum(w.used + w.reserved), 0) from quota_windows w
                            where w.tenant_id = l.tenant_id and w.scope = l.scope
                              and w.subject = l.subject and w.metric = l.metric
                              and w.starts_at >= quota_since(l.metric, clock_timestamp()))
                        """)
                .query(Long.class)
                .single();
    }

    /** Prints the books as they are now; whether nothing is lost, double, exceeded or left. */
    boolean report(PrintStream out, Conservation conservation) {
        long lost = lost();
        long duplicated = duplicated();
        long exceeded = exceeded();
        out.printf("acknowledged usage events            %d%n", acknowledged());
        out.printf("  of them lost                       %d%n", lost);
        out.printf("  duplicated                         %d%n", duplicated);
        out.printf("hard limits exceeded                 %d%n", exceeded);
        out.printf("counters that differ from their rows %d%n", conservation.differences().size());
        conservation.differences().forEach(out::println);
        out.printf("reservations left                    %d%n", conservation.reservations());
        return lost == 0
                && duplicated == 0
                && exceeded == 0
                && conservation.holds()
                && conservation.reservations() == 0;
    }
}
