package dev.aril.admin;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.ApiKey;
import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.IssuedKey;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.RecordedEvent;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.TenantDetails;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.Tenants;
import dev.aril.tenancy.UsageLedger;
import dev.aril.tenancy.UsageQuery.Group;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.ResponseBody;
import reactor.core.publisher.Flux;
import tools.jackson.databind.node.ObjectNode;

/** /admin/tenants/…: one tenant. Each form answers with the part of the page it changed. */
@Controller
final class TenantPage {
    private static final int LATEST = 20;
    private static final String PAGE = "admin/tenant";

    /** A key's row. */
    record KeyRow(ApiKey key, String state) {
        public String id() {
            return key.keyId();
        }

        public String label() {
            return key.label();
        }

        public String scopes() {
            return key.scopes().stream()
                    .sorted()
                    .map(KeyScope::text)
                    .collect(Collectors.joining(", "));
        }

        public String created() {
            return Shown.time(key.createdAt());
        }

        public String expires() {
            return key.expiresAt() == null ? "never" : Shown.time(key.expiresAt());
        }

        public boolean usable() {
            return state.equals("active");
        }
    }

    /** A request's row. */
    record RequestRow(
            String at,
            String adapter,
            String key,
            String prompt,
            String completion,
            String reason,
            String milliseconds,
            String cost) {}

    private final Tenants tenants;
    private final TenantNames names;
    private final ApiKeys keys;
    private final Limits limits;
    private final UsageLedger ledger;
    private final UsageExport export;

    TenantPage(
            Tenants tenants,
            TenantNames names,
            ApiKeys keys,
            Limits limits,
            UsageLedger ledger,
            UsageExport export) {
        this.tenants = tenants;
        this.names = names;
        this.keys = keys;
        this.limits = limits;
        this.ledger = ledger;
        this.export = export;
    }

    @GetMapping("/admin/tenants/{tenant}")
    @Needs(Role.VIEWER)
    String show(@PathVariable String tenant, Query query, Model model) {
        query.done();
        Tenant found = names.find(tenant);
        header(found.id(), model);
        meters(found.id(), model);
        requests(found.id(), model);
        keyRows(found.id(), model);
        model.addAttribute("metrics", Metric.values());
        return PAGE;
    }

    @GetMapping("/admin/tenants/{tenant}/live")
    @Needs(Role.VIEWER)
    String live(@PathVariable String tenant, Query query, Model model) {
        query.done();
        TenantId id = names.find(tenant).id();
        header(id, model);
        meters(id, model);
        requests(id, model);
        return PAGE + " :: live";
    }

    @GetMapping("/admin/tenants/{tenant}/chart")
    @Needs(Role.VIEWER)
    @ResponseBody
    ObjectNode chart(@PathVariable String tenant, Query query) {
        var range = query.choice("range", UsageChart.Range.values());
        var by = query.choice("by", new Group[] {Group.ADAPTER, Group.KEY});
        var measure = query.choice("measure", UsageChart.Measure.values());
        query.done();
        return new UsageChart(ledger)
                .draw(
                        names.find(tenant).id(),
                        range.orElse(UsageChart.Range.DAY),
                        by.orElse(Group.ADAPTER),
                        measure.orElse(UsageChart.Measure.TOKENS),
                        Instant.now());
    }

    @GetMapping("/admin/tenants/{tenant}/export")
    @Needs(Role.VIEWER)
    ResponseEntity<Flux<byte[]>> export(@PathVariable String tenant, Query query) {
        return export.answer(names.find(tenant), query);
    }

    @PostMapping("/admin/tenants/{tenant}/suspend")
    @Needs(Role.OPERATOR)
    ResponseEntity<Void> suspend(Actor by, @PathVariable String tenant) {
        return reload(tenants.suspend(by, names.find(tenant).id()));
    }

    @PostMapping("/admin/tenants/{tenant}/resume")
    @Needs(Role.OPERATOR)
    ResponseEntity<Void> resume(Actor by, @PathVariable String tenant) {
        return reload(tenants.resume(by, names.find(tenant).id()));
    }

    @PostMapping("/admin/tenants/{tenant}/delete")
    @Needs(Role.ADMIN)
    ResponseEntity<Void> delete(Actor by, @PathVariable String tenant) {
        return reload(tenants.delete(by, names.find(tenant).id(), Duration.ofDays(30)));
    }

    @PostMapping("/admin/tenants/{tenant}/restore")
    @Needs(Role.ADMIN)
    ResponseEntity<Void> restore(Actor by, @PathVariable String tenant) {
        return reload(tenants.restore(by, names.find(tenant).id()));
    }

    @PostMapping("/admin/tenants/{tenant}/limits")
    @Needs(Role.OPERATOR)
    String setLimit(Actor by, @PathVariable String tenant, Form form, Model model) {
        Metric metric = metric(form.fields());
        QuotaScope scope = scope(form.fields());
        Long hard = boxed(form.fields().amount("hard", 0, LimitsApi.MOST));
        Long soft = boxed(form.fields().amount("soft", 0, LimitsApi.MOST));
        boolean shadow = form.fields().text("shadow", "on or absent").isPresent();
        form.fields().done();
        TenantId id = names.find(tenant).id();
        limits.set(by, id, LimitsApi.limit(scope, metric, hard, soft, shadow));
        return changedLimits(id, "The limit is in force.", model);
    }

    @PostMapping("/admin/tenants/{tenant}/limits/raise")
    @Needs(Role.OPERATOR)
    String raiseLimit(Actor by, @PathVariable String tenant, Form form, Model model) {
        Metric metric = metric(form.fields());
        QuotaScope scope = scope(form.fields());
        long to =
                form.fields()
                        .amount("to", 1, LimitsApi.MOST)
                        .orElseThrow(() -> Fields.refused("to", "to is missing.", "a number"));
        int hours = form.fields().number("hours", 1, 24 * 366, 24);
        form.fields().done();
        TenantId id = names.find(tenant).id();
        Refused.by(
                "to",
                () ->
                        limits.raise(
                                by,
                                id,
                                scope,
                                metric,
                                to,
                                Instant.now().plus(hours, ChronoUnit.HOURS)));
        return changedLimits(id, "The limit is raised for " + hours + " hours.", model);
    }

    @PostMapping("/admin/tenants/{tenant}/limits/remove")
    @Needs(Role.OPERATOR)
    String removeLimit(Actor by, @PathVariable String tenant, Form form, Model model) {
        Metric metric = metric(form.fields());
        QuotaScope scope = scope(form.fields());
        form.fields().done();
        TenantId id = names.find(tenant).id();
        limits.remove(by, id, scope, metric);
        return changedLimits(id, "The limit is lifted.", model);
    }

    @PostMapping("/admin/tenants/{tenant}/keys")
    @Needs(Role.OPERATOR)
    String createKey(Actor by, @PathVariable String tenant, Form form, Model model) {
        String label = form.fields().text("label", KeysApi.LABEL).orElse("");
        List<String> scopes = form.fields().texts("scopes");
        int days = form.fields().number("days", 0, 3650, 0);
        form.fields().done();
        Instant expires = days == 0 ? null : Instant.now().plus(days, ChronoUnit.DAYS);
        TenantId id = names.find(tenant).id();
        return changedKeys(
                id, keys.create(by, id, label, KeysApi.scopes(scopes), expires), null, model);
    }

    @PostMapping("/admin/tenants/{tenant}/keys/{key}/rotate")
    @Needs(Role.OPERATOR)
    String rotateKey(Actor by, @PathVariable String tenant, @PathVariable String key, Model model) {
        TenantId id = names.find(tenant).id();
        return changedKeys(
                id,
                keys.rotate(by, id, KeysApi.checked(key), Duration.ofDays(1)),
                "The secret before this one works for another day.",
                model);
    }

    @PostMapping("/admin/tenants/{tenant}/keys/{key}/revoke")
    @Needs(Role.OPERATOR)
    String revokeKey(Actor by, @PathVariable String tenant, @PathVariable String key, Model model) {
        TenantId id = names.find(tenant).id();
        keys.revoke(by, id, KeysApi.checked(key));
        return changedKeys(id, null, "The key is refused from now on.", model);
    }

    private String changedLimits(TenantId id, String done, Model model) {
        header(id, model);
        meters(id, model);
        model.addAttribute("metrics", Metric.values());
        model.addAttribute("done", done);
        return PAGE + " :: limits";
    }

    private String changedKeys(
            TenantId id, @Nullable IssuedKey issued, @Nullable String done, Model model) {
        header(id, model);
        keyRows(id, model);
        model.addAttribute("secret", issued == null ? null : issued.secret());
        model.addAttribute("done", done);
        return PAGE + " :: keys";
    }

    private void header(TenantId id, Model model) {
        TenantDetails details = tenants.details(id).orElseThrow(() -> Refused.absent("tenant"));
        model.addAttribute("tenant", details.tenant().name());
        model.addAttribute("status", details.status().text());
        model.addAttribute("created", Shown.time(details.createdAt()));
        model.addAttribute("purge", Shown.time(details.purgeAt()));
    }

    private void meters(TenantId id, Model model) {
        model.addAttribute("meters", limits.of(id).stream().map(Meter::of).toList());
    }

    private void requests(TenantId id, Model model) {
        model.addAttribute(
                "requests",
                ledger.recent(id, null, LATEST).items().stream().map(TenantPage::row).toList());
    }

    private void keyRows(TenantId id, Model model) {
        Instant now = Instant.now();
        model.addAttribute(
                "keys",
                keys.list(id).stream().map(key -> new KeyRow(key, state(key, now))).toList());
    }

    private static String state(ApiKey key, Instant now) {
        if (key.revokedAt() != null) {
            return "revoked";
        }
        return key.expiresAt() != null && !key.expiresAt().isAfter(now) ? "expired" : "active";
    }

    private static RequestRow row(RecordedEvent recorded) {
        var event = recorded.event();
        return new RequestRow(
                Shown.time(recorded.admittedAt()),
                event.adapter() == null ? "base model" : event.adapter(),
                event.keyId(),
                Shown.number(event.promptTokens()),
                Shown.number(event.completionTokens()),
                event.finishReason(),
                Shown.number(event.engineMillis()),
                Shown.cost(BigInteger.valueOf(recorded.costPicos())));
    }

    private static ResponseEntity<Void> reload(TenantDetails tenant) {
        return ResponseEntity.ok()
                .header("HX-Redirect", "/admin/tenants/" + tenant.tenant().name())
                .build();
    }

    private static Metric metric(Query fields) {
        return fields.choice("metric", Metric.values())
                .orElseThrow(() ->
                        Fields.refused(
                                "metric",
                                "metric is missing.",
                                "one of " + Choices.names(Metric.values())));
    }

    private static QuotaScope scope(Query fields) {
        return LimitsApi.scope(
                fields.choice("scope", QuotaScope.Kind.values()).orElse(QuotaScope.Kind.TENANT),
                fields.text("subject", "a key's id or an adapter's name").orElse(""));
    }

    private static @Nullable Long boxed(OptionalLong number) {
        return number.isPresent() ? number.getAsLong() : null;
    }
}
