package dev.aril.admin;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.TenantDetails;
import dev.aril.tenancy.TenantStatus;
import dev.aril.tenancy.Tenants;
import java.time.Duration;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.DeleteMapping;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.node.ObjectNode;

/** /admin/api/tenants: who the tenants are. */
@RestController
final class TenantsApi {
    private final Tenants tenants;
    private final TenantNames names;

    TenantsApi(Tenants tenants, TenantNames names) {
        this.tenants = tenants;
        this.names = names;
    }

    @GetMapping("/admin/api/tenants")
    @Needs(Role.VIEWER)
    ObjectNode list(Query query) {
        String search = query.text("search", "part of a name").orElse(null);
        TenantStatus status = query.choice("status", TenantStatus.values()).orElse(null);
        String after = query.after();
        int limit = query.limit();
        query.done();
        return Views.page(
                Refused.by("after", () -> tenants.page(search, status, after, limit)),
                Views::tenant);
    }

    @PostMapping("/admin/api/tenants")
    @Needs(Role.OPERATOR)
    @ResponseStatus(HttpStatus.CREATED)
    ObjectNode create(Actor by, Query query, Fields fields) {
        query.done();
        String name = fields.text("name", TenantNames.RULE);
        fields.done();
        return Views.tenant(details(create(by, name)));
    }

    /** Shared with the dashboard. */
    Tenant create(Actor by, String name) {
        if (!TenantNames.FORM.matcher(name).matches()) {
            throw Fields.refused(
                    "name", "name is malformed: " + Fields.shortened(name) + ".", TenantNames.RULE);
        }
        return tenants.create(by, name);
    }

    @GetMapping("/admin/api/tenants/{tenant}")
    @Needs(Role.VIEWER)
    ObjectNode get(@PathVariable String tenant, Query query) {
        query.done();
        return Views.tenant(details(names.find(tenant)));
    }

    @PostMapping("/admin/api/tenants/{tenant}/suspend")
    @Needs(Role.OPERATOR)
    ObjectNode suspend(Actor by, @PathVariable String tenant, Query query) {
        query.done();
        return Views.tenant(tenants.suspend(by, names.find(tenant).id()));
    }

    @PostMapping("/admin/api/tenants/{tenant}/resume")
    @Needs(Role.OPERATOR)
    ObjectNode resume(Actor by, @PathVariable String tenant, Query query) {
        query.done();
        return Views.tenant(tenants.resume(by, names.find(tenant).id()));
    }

    @DeleteMapping("/admin/api/tenants/{tenant}")
    @Needs(Role.ADMIN)
    ObjectNode delete(Actor by, @PathVariable String tenant, Query query) {
        int days = query.number("grace_days", 0, 365, 30);
        query.done();
        return Views.tenant(tenants.delete(by, names.find(tenant).id(), Duration.ofDays(days)));
    }

    @PostMapping("/admin/api/tenants/{tenant}/restore")
    @Needs(Role.ADMIN)
    ObjectNode restore(Actor by, @PathVariable String tenant, Query query) {
        query.done();
        return Views.tenant(tenants.restore(by, names.find(tenant).id()));
    }

    private TenantDetails details(Tenant tenant) {
        return tenants.details(tenant.id()).orElseThrow(() -> Refused.absent("tenant"));
    }
}
