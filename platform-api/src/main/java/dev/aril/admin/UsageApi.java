package dev.aril.admin;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.AuditLog;
import dev.aril.tenancy.Granularity;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.UsageLedger;
import dev.aril.tenancy.UsageQuery;
import dev.aril.tenancy.UsageQuery.Group;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;
import reactor.core.publisher.Flux;
import tools.jackson.databind.node.ObjectNode;

/** /admin/api/usage: what was spent, of all tenants or of one. */
@RestController
final class UsageApi {
    private static final String GROUPS =
            "some of " + Choices.names(Group.values()) + ", with commas";

    private final UsageLedger ledger;
    private final AuditLog log;
    private final TenantNames names;
    private final UsageExport export;

    UsageApi(UsageLedger ledger, AuditLog log, TenantNames names, UsageExport export) {
        this.log = log;
        this.ledger = ledger;
        this.names = names;
        this.export = export;
    }

    @GetMapping("/admin/api/usage")
    @Needs(Role.VIEWER)
    ObjectNode all(Query query) {
        return buckets(null, query);
    }

    @GetMapping("/admin/api/tenants/{tenant}/usage")
    @Needs(Role.VIEWER)
    ObjectNode of(@PathVariable String tenant, Query query) {
        return buckets(names.find(tenant).id(), query);
    }

    @GetMapping("/admin/api/tenants/{tenant}/requests")
    @Needs(Role.VIEWER)
    ObjectNode requests(@PathVariable String tenant, Query query) {
        String after = query.after();
        int limit = query.limit();
        query.done();
        TenantId id = names.find(tenant).id();
        return Views.page(
                Refused.by("after", () -> ledger.recent(id, after, limit)),
                new Views(names)::event);
    }

    @GetMapping("/admin/api/usage/export")
    @Needs(Role.VIEWER)
    ResponseEntity<Flux<byte[]>> exportAll(Query query) {
        return export.answer(null, query);
    }

    @GetMapping("/admin/api/tenants/{tenant}/usage/export")
    @Needs(Role.VIEWER)
    ResponseEntity<Flux<byte[]>> exportOf(@PathVariable String tenant, Query query) {
        return export.answer(names.find(tenant), query);
    }

    @GetMapping("/admin/api/usage/conservation")
    @Needs(Role.OPERATOR)
    ObjectNode conservation(Query query) {
        query.done();
        return SystemView.conservation(ledger.conservation());
    }

    @PostMapping("/admin/api/usage/rebuild")
    @Needs(Role.ADMIN)
    ObjectNode rebuild(Actor by, Query query, Fields fields) {
        query.done();
        Instant from = required(fields, "from");
        Instant until = required(fields, "until");
        fields.done();
        order(from, until);
        log.act(by, "usage.rebuild", null, from + " " + until, "", () -> true);
        ledger.rebuildRollups(from, until);
        return Views.object().put("from", from.toString()).put("until", until.toString());
    }

    private ObjectNode buckets(@Nullable TenantId tenant, Query query) {
        Granularity granularity =
                query.choice("granularity", Granularity.values()).orElse(Granularity.DAY);
        Instant until = query.instant("until").orElseGet(Instant::now);
        Instant from = query.instant("from").orElseGet(() -> until.minus(30, ChronoUnit.DAYS));
        Set<Group> groups = query.text("group_by", GROUPS).map(UsageApi::groups).orElse(Set.of());
        String key = query.text("key", "a key's id").orElse(null);
        String model = query.text("model", "a base model's name").orElse(null);
        String adapter = query.text("adapter", "an adapter's name").orElse(null);
        String after = query.after();
        int limit = query.limit();
        query.done();
        order(from, until);
        UsageQuery asked =
                new UsageQuery(tenant, granularity, from, until, groups, key, model, adapter);
        return Views.page(
                Refused.by("after", () -> ledger.buckets(asked, after, limit)),
                new Views(names)::bucket);
    }

    static void order(Instant from, Instant until) {
        if (!from.isBefore(until)) {
            throw Fields.refused(
                    "from", "from is not before until.", "a time before until, " + until);
        }
    }

    private static Set<Group> groups(String text) {
        return Arrays.stream(text.split(",", -1))
                .map(each -> Choices.parse("group_by", each.strip(), Group.values()))
                .collect(Collectors.toSet());
    }

    private static Instant required(Fields fields, String name) {
        return fields.instant(name)
                .orElseThrow(() -> Fields.refused(name, name + " is missing.", Fields.Times.FORM));
    }
}
