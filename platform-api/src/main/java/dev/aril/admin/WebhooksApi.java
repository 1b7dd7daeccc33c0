package dev.aril.admin;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.Webhooks;
import java.net.URI;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.DeleteMapping;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.node.ObjectNode;

/** /admin/api/webhooks: who is told of warnings. */
@RestController
final class WebhooksApi {
    private static final String TENANT = "a tenant's name, absent for the warnings of all tenants";
    private static final String URL = "an https address";

    private final Webhooks webhooks;
    private final TenantNames names;

    WebhooksApi(Webhooks webhooks, TenantNames names) {
        this.webhooks = webhooks;
        this.names = names;
    }

    @GetMapping("/admin/api/webhooks")
    @Needs(Role.VIEWER)
    ObjectNode list(Query query) {
        TenantId tenant = tenant(query);
        query.done();
        return Views.list(webhooks.endpoints(tenant), new Views(names)::webhook);
    }

    /** The secret that messages are signed with is in this answer, never again. */
    @PostMapping("/admin/api/webhooks")
    @Needs(Role.OPERATOR)
    @ResponseStatus(HttpStatus.CREATED)
    ObjectNode register(Actor by, Query query, Fields fields) {
        query.done();
        TenantId tenant =
                fields.optionalText("tenant", TENANT)
                        .map(name -> names.find(name).id())
                        .orElse(null);
        String text = fields.text("url", URL);
        fields.done();
        if (text.length() > 2000) {
            throw Fields.refused("url", "url is longer than 2000 characters.", URL);
        }
        Webhooks.Registered made =
                Refused.by("url", () -> webhooks.register(by, tenant, URI.create(text)));
        return new Views(names).webhook(made.endpoint()).put("secret", made.secret());
    }

    @DeleteMapping("/admin/api/webhooks/{webhook}")
    @Needs(Role.OPERATOR)
    @ResponseStatus(HttpStatus.NO_CONTENT)
    void remove(Actor by, @PathVariable String webhook, Query query) {
        query.done();
        webhooks.remove(by, id(webhook, "webhook"));
    }

    @GetMapping("/admin/api/webhooks/deliveries")
    @Needs(Role.VIEWER)
    ObjectNode deliveries(Query query) {
        TenantId tenant = tenant(query);
        String after = query.after();
        int limit = query.limit();
        query.done();
        return Views.page(
                Refused.by("after", () -> webhooks.deliveries(tenant, after, limit)),
                new Views(names)::delivery);
    }

    @PostMapping("/admin/api/webhooks/deliveries/{delivery}/redrive")
    @Needs(Role.OPERATOR)
    @ResponseStatus(HttpStatus.NO_CONTENT)
    void redrive(Actor by, @PathVariable String delivery, Query query) {
        query.done();
        webhooks.redrive(by, id(delivery, "delivery"));
    }

    private @Nullable TenantId tenant(Query query) {
        return query.text("tenant", TENANT).map(name -> names.find(name).id()).orElse(null);
    }

    private static UUID id(String text, String what) {
        if (text.length() == 36) {
            try {
                return UUID.fromString(text);
            } catch (IllegalArgumentException e) {
                // as good as absent
            }
        }
        throw Refused.absent(what);
    }
}
