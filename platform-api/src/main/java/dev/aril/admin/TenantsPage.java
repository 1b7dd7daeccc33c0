package dev.aril.admin;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Granularity;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Page;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.TenantDetails;
import dev.aril.tenancy.TenantStatus;
import dev.aril.tenancy.Tenants;
import dev.aril.tenancy.UsageLedger;
import dev.aril.tenancy.UsageQuery;
import java.math.BigInteger;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;

/** /admin/tenants: all tenants with what they use of their limits. */
@Controller
final class TenantsPage {
    private static final int ROWS = 25;

    /** A row of the list. */
    record Row(String name, String status, @Nullable String purge, List<Meter> meters) {}

    /** Sums over all tenants. */
    record Sums(long requests, long tokens, BigInteger costPicos) {
        public String shownRequests() {
            return Shown.number(requests);
        }

        public String shownTokens() {
            return Shown.number(tokens);
        }

        public String shownCost() {
            return Shown.cost(costPicos);
        }
    }

    private final Tenants tenants;
    private final TenantsApi api;
    private final Limits limits;
    private final UsageLedger ledger;

    TenantsPage(Tenants tenants, TenantsApi api, Limits limits, UsageLedger ledger) {
        this.tenants = tenants;
        this.api = api;
        this.limits = limits;
        this.ledger = ledger;
    }

    @GetMapping("/admin")
    @Needs(Role.VIEWER)
    ResponseEntity<Void> home() {
        return ResponseEntity.status(HttpStatus.SEE_OTHER)
                .header("Location", "/admin/tenants")
                .build();
    }

    @GetMapping("/admin/tenants")
    @Needs(Role.VIEWER)
    String list(Query query, Model model, ServerHttpRequest request) {
        String search = query.text("search", "part of a name").orElse("");
        TenantStatus status = query.choice("status", TenantStatus.values()).orElse(null);
        String after = query.after();
        query.done();
        Page<TenantDetails> page =
                Refused.by(
                        "after",
                        () -> tenants.page(search.isEmpty() ? null : search, status, after, ROWS));
        model.addAttribute("search", search);
        model.addAttribute("status", status == null ? "" : status.text());
        model.addAttribute("after", after);
        model.addAttribute("next", page.next());
        model.addAttribute("rows", page.items().stream().map(this::row).toList());
        model.addAttribute("today", today());
        return request.getHeaders().containsHeader("HX-Request")
                ? "admin/tenants :: list"
                : "admin/tenants";
    }

    @PostMapping("/admin/tenants")
    @Needs(Role.OPERATOR)
    ResponseEntity<Void> create(Actor by, Form form) {
        String name = form.fields().text("name", TenantNames.RULE).orElse("");
        form.fields().done();
        return ResponseEntity.ok()
                .header("HX-Redirect", "/admin/tenants/" + api.create(by, name).name())
                .build();
    }

    private Row row(TenantDetails tenant) {
        return new Row(
                tenant.tenant().name(),
                tenant.status().text(),
                tenant.purgeAt() == null ? null : Shown.time(tenant.purgeAt()),
                Meter.tenants(limits.of(tenant.tenant().id())));
    }

    /** All tenants' usage since midnight, UTC. */
    private Sums today() {
        Instant midnight = Instant.now().truncatedTo(ChronoUnit.DAYS);
        Sums sums = new Sums(0, 0, BigInteger.ZERO);
        var query =
                new UsageQuery(
                        null,
                        Granularity.DAY,
                        midnight,
                        midnight.plus(1, ChronoUnit.DAYS),
                        Set.of(),
                        null,
                        null,
                        null);
        for (var bucket : ledger.buckets(query, null, 1).items()) {
            sums =
                    new Sums(
                            sums.requests() + bucket.requests(),
                            sums.tokens() + bucket.promptTokens() + bucket.completionTokens(),
                            sums.costPicos().add(bucket.costPicos()));
        }
        return sums;
    }
}
