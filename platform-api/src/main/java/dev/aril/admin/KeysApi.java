package dev.aril.admin;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.IssuedKey;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Role;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.node.ObjectNode;

/**
 * /admin/api/tenants/…/keys: a tenant's keys. A secret is in the answer that made it, never again.
 */
@RestController
final class KeysApi {
    static final String LABEL = "text of 1 to 100 characters";
    private static final String SCOPES =
            "a list of "
                    + Arrays.stream(KeyScope.values())
                            .map(KeyScope::text)
                            .collect(Collectors.joining(", "))
                    + ", at least one of them";
    private static final long MOST_OVERLAP = Duration.ofDays(30).toSeconds();

    private final ApiKeys keys;
    private final TenantNames names;

    KeysApi(ApiKeys keys, TenantNames names) {
        this.keys = keys;
        this.names = names;
    }

    @GetMapping("/admin/api/tenants/{tenant}/keys")
    @Needs(Role.VIEWER)
    ObjectNode list(@PathVariable String tenant, Query query) {
        query.done();
        return Views.list(keys.list(names.find(tenant).id()), Views::key);
    }

    @PostMapping("/admin/api/tenants/{tenant}/keys")
    @Needs(Role.OPERATOR)
    @ResponseStatus(HttpStatus.CREATED)
    ObjectNode create(Actor by, @PathVariable String tenant, Query query, Fields fields) {
        query.done();
        String label = fields.text("label", LABEL);
        Set<KeyScope> scopes =
                fields.texts("scopes", SCOPES).map(KeysApi::scopes).orElse(KeyScope.ALL);
        var expires = fields.instant("expires_at").orElse(null);
        fields.done();
        return issued(keys.create(by, names.find(tenant).id(), label, scopes, expires));
    }

    @GetMapping("/admin/api/tenants/{tenant}/keys/{key}")
    @Needs(Role.VIEWER)
    ObjectNode get(@PathVariable String tenant, @PathVariable String key, Query query) {
        query.done();
        return Views.key(
                keys.find(names.find(tenant).id(), checked(key))
                        .orElseThrow(() -> Refused.absent("key")));
    }

    @PostMapping("/admin/api/tenants/{tenant}/keys/{key}/rotate")
    @Needs(Role.OPERATOR)
    ObjectNode rotate(
            Actor by,
            @PathVariable String tenant,
            @PathVariable String key,
            Query query,
            Fields fields) {
        query.done();
        long overlap =
                fields.number("overlap_seconds", 0, MOST_OVERLAP)
                        .orElse(Duration.ofHours(24).toSeconds());
        fields.done();
        return issued(
                keys.rotate(
                        by, names.find(tenant).id(), checked(key), Duration.ofSeconds(overlap)));
    }

    @PostMapping("/admin/api/tenants/{tenant}/keys/{key}/revoke")
    @Needs(Role.OPERATOR)
    ObjectNode revoke(
            Actor by, @PathVariable String tenant, @PathVariable String key, Query query) {
        query.done();
        return Views.key(keys.revoke(by, names.find(tenant).id(), checked(key)));
    }

    static Set<KeyScope> scopes(List<String> texts) {
        if (texts.isEmpty()) {
            throw Fields.refused("scopes", "scopes is empty.", SCOPES);
        }
        return texts.stream()
                .map(text -> {
                    try {
                        return KeyScope.of(text);
                    } catch (IllegalArgumentException e) {
                        throw Fields.refused(
                                "scopes",
                                "scopes cannot hold " + Fields.shortened(text) + ".",
                                SCOPES);
                    }
                })
                .collect(Collectors.toSet());
    }

    /** A malformed id is as good as an absent one, and never reaches the database. */
    static String checked(String keyId) {
        if (!keyId.matches("[0-9A-Za-z]{12}")) {
            throw Refused.absent("key");
        }
        return keyId;
    }

    private static ObjectNode issued(IssuedKey issued) {
        return Views.key(issued.key()).put("secret", issued.secret());
    }
}
