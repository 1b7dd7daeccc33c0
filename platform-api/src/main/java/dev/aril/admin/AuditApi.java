package dev.aril.admin;

import dev.aril.tenancy.AuditLog;
import dev.aril.tenancy.AuditVerdict;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.TenantId;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.node.ObjectNode;

/** /admin/api/audit: what administrators did. */
@RestController
final class AuditApi {
    private final AuditLog log;
    private final TenantNames names;

    AuditApi(AuditLog log, TenantNames names) {
        this.log = log;
        this.names = names;
    }

    @GetMapping("/admin/api/audit")
    @Needs(Role.VIEWER)
    ObjectNode list(Query query) {
        TenantId tenant =
                query.text("tenant", "a tenant's name")
                        .map(name -> names.find(name).id())
                        .orElse(null);
        String search = query.text("search", "part of an actor, action or object").orElse(null);
        String after = query.after();
        int limit = query.limit();
        query.done();
        return Views.page(
                Refused.by("after", () -> log.page(tenant, search, after, limit)),
                new Views(names)::audit);
    }

    @GetMapping("/admin/api/audit/verify")
    @Needs(Role.OPERATOR)
    ObjectNode verify(Query query) {
        query.done();
        AuditVerdict verdict = log.verify();
        return Views.object()
                .put("holds", verdict.holds())
                .put("entries", verdict.entries())
                .put("head", verdict.head())
                .put("fault", verdict.fault());
    }
}
