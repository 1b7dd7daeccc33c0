package dev.aril.admin;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.TenantId;
import java.time.Instant;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.DeleteMapping;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.PutMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.node.ObjectNode;

/** /admin/api/tenants/…/limits: what a tenant, one of its keys or one of its adapters may spend. */
@RestController
final class LimitsApi {
    static final long MOST = 1_000_000_000_000_000L;
    private static final String SUBJECT =
            "the key's id for scope key, the adapter's name for scope adapter, absent for tenant";

    private final Limits limits;
    private final TenantNames names;

    LimitsApi(Limits limits, TenantNames names) {
        this.limits = limits;
        this.names = names;
    }

    @GetMapping("/admin/api/tenants/{tenant}/limits")
    @Needs(Role.VIEWER)
    ObjectNode list(@PathVariable String tenant, Query query) {
        query.done();
        return Views.list(limits.of(names.find(tenant).id()), Views::limit);
    }

    @PutMapping("/admin/api/tenants/{tenant}/limits")
    @Needs(Role.OPERATOR)
    ObjectNode set(Actor by, @PathVariable String tenant, Query query, Fields fields) {
        query.done();
        QuotaScope scope = scope(fields);
        Metric metric = metric(fields);
        Long hard = boxed(fields.number("hard", 0, MOST));
        Long soft = boxed(fields.number("soft", 0, MOST));
        boolean shadow = fields.flag("shadow").orElse(false);
        fields.done();
        TenantId id = names.find(tenant).id();
        limits.set(by, id, limit(scope, metric, hard, soft, shadow));
        return one(id, scope, metric);
    }

    /** Shared with the dashboard. */
    static Limit limit(
            QuotaScope scope,
            Metric metric,
            @Nullable Long hard,
            @Nullable Long soft,
            boolean shadow) {
        if (hard == null && soft == null) {
            throw new AdminRefusal(
                    AdminProblem.invalid(
                                    "hard",
                                    "hard and soft are both missing.",
                                    "a whole number from 0 to " + MOST)
                            .remedy("Send hard, soft or both; delete the limit to lift it."));
        }
        return Refused.by("scope", () -> new Limit(scope, metric, hard, soft, shadow, null, null));
    }

    @PostMapping("/admin/api/tenants/{tenant}/limits/raise")
    @Needs(Role.OPERATOR)
    ObjectNode raise(Actor by, @PathVariable String tenant, Query query, Fields fields) {
        query.done();
        QuotaScope scope = scope(fields);
        Metric metric = metric(fields);
        long to =
                fields.number("to", 1, MOST)
                        .orElseThrow(() ->
                                Fields.refused(
                                        "to",
                                        "to is missing.",
                                        "a whole number above the hard limit"));
        Instant until =
                fields.instant("until")
                        .orElseThrow(() ->
                                Fields.refused("until", "until is missing.", Fields.Times.FORM));
        fields.done();
        TenantId id = names.find(tenant).id();
        Refused.by("to", () -> limits.raise(by, id, scope, metric, to, until));
        return one(id, scope, metric);
    }

    @DeleteMapping("/admin/api/tenants/{tenant}/limits")
    @Needs(Role.OPERATOR)
    @ResponseStatus(HttpStatus.NO_CONTENT)
    void remove(Actor by, @PathVariable String tenant, Query query) {
        Metric metric =
                query.choice("metric", Metric.values())
                        .orElseThrow(() ->
                                Fields.refused(
                                        "metric",
                                        "metric is missing.",
                                        "one of " + Choices.names(Metric.values())));
        QuotaScope.Kind kind =
                query.choice("scope", QuotaScope.Kind.values()).orElse(QuotaScope.Kind.TENANT);
        String subject = query.text("subject", SUBJECT).orElse("");
        query.done();
        limits.remove(by, names.find(tenant).id(), scope(kind, subject), metric);
    }

    static QuotaScope scope(QuotaScope.Kind kind, String subject) {
        try {
            return new QuotaScope(kind, subject);
        } catch (IllegalArgumentException e) {
            throw Fields.refused("subject", Refused.sentence(e), SUBJECT);
        }
    }

    private static QuotaScope scope(Fields fields) {
        QuotaScope.Kind kind =
                fields.choice("scope", QuotaScope.Kind.values()).orElse(QuotaScope.Kind.TENANT);
        return scope(kind, fields.optionalText("subject", SUBJECT).orElse(""));
    }

    private static Metric metric(Fields fields) {
        return fields.choice("metric", Metric.values())
                .orElseThrow(() ->
                        Fields.refused(
                                "metric",
                                "metric is missing.",
                                "one of " + Choices.names(Metric.values())));
    }

    private static @Nullable Long boxed(OptionalLong number) {
        return number.isPresent() ? number.getAsLong() : null;
    }

    private ObjectNode one(TenantId tenant, QuotaScope scope, Metric metric) {
        return limits.of(tenant).stream()
                .filter(state ->
                        state.limit().scope().equals(scope) && state.limit().metric() == metric)
                .findFirst()
                .map(Views::limit)
                .orElseThrow(() -> Refused.absent("limit"));
    }
}
