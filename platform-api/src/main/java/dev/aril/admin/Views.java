package dev.aril.admin;

import dev.aril.tenancy.Account;
import dev.aril.tenancy.ApiKey;
import dev.aril.tenancy.AuditEntry;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.LimitState;
import dev.aril.tenancy.Page;
import dev.aril.tenancy.Price;
import dev.aril.tenancy.RecordedEvent;
import dev.aril.tenancy.TenantDetails;
import dev.aril.tenancy.UsageBucket;
import dev.aril.tenancy.UsageEvent;
import dev.aril.tenancy.WebhookDelivery;
import dev.aril.tenancy.WebhookEndpoint;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** What the administration API says of each thing; {@code openapi/admin.yaml} has the schemas. */
final class Views {
    /** Costs are exact: a micro-unit has a million picos. */
    private static final int PICOS = 6;

    private final TenantNames names;

    Views(TenantNames names) {
        this.names = names;
    }

    static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }

    static <T> ObjectNode page(Page<T> page, Function<T, ObjectNode> view) {
        ObjectNode body = object();
        ArrayNode items = body.putArray("items");
        page.items().forEach(item -> items.add(view.apply(item)));
        return body.put("next", page.next());
    }

    static <T> ObjectNode list(Iterable<T> all, Function<T, ObjectNode> view) {
        ObjectNode body = object();
        ArrayNode items = body.putArray("items");
        all.forEach(item -> items.add(view.apply(item)));
        return body;
    }

    static ObjectNode tenant(TenantDetails tenant) {
        return object().put("name", tenant.tenant().name())
                .put("id", tenant.tenant().id().toString())
                .put("status", tenant.status().text())
                .put("created_at", text(tenant.createdAt()))
                .put("purge_at", text(tenant.purgeAt()));
    }

    static ObjectNode key(ApiKey key) {
        ObjectNode body = object().put("key_id", key.keyId()).put("label", key.label());
        ArrayNode scopes = body.putArray("scopes");
        key.scopes().stream().sorted().map(KeyScope::text).forEach(scopes::add);
        return body.put("created_at", text(key.createdAt()))
                .put("expires_at", text(key.expiresAt()))
                .put("revoked_at", text(key.revokedAt()))
                .put("rotated_at", text(key.rotatedAt()))
                .put("overlap_until", text(key.overlapUntil()));
    }

    static ObjectNode limit(LimitState state) {
        Limit limit = state.limit();
        return object().put("scope", limit.scope().kind().text())
                .put("subject", limit.scope().subject())
                .put("metric", limit.metric().text())
                .put("hard", limit.hard())
                .put("soft", limit.soft())
                .put("shadow", limit.shadow())
                .put("raised_to", limit.raisedTo())
                .put("raised_until", text(limit.raisedUntil()))
                .put("in_force", state.inForce())
                .put("used", state.used())
                .put("reserved", state.reserved())
                .put("reset_at", text(state.resetAt()))
                .put("would_have_refused", state.wouldHaveRefused());
    }

    ObjectNode bucket(UsageBucket bucket) {
        ObjectNode body = object().put("start", text(bucket.start()));
        if (bucket.tenant() != null) {
            body.put("tenant", names.of(bucket.tenant()));
        }
        if (bucket.keyId() != null) {
            body.put("key_id", bucket.keyId());
        }
        if (bucket.model() != null) {
            body.put("model", bucket.model());
        }
        if (bucket.adapter() != null) {
            body.put("adapter", bucket.adapter());
        }
        return body.put("requests", bucket.requests())
                .put("prompt_tokens", bucket.promptTokens())
                .put("cached_tokens", bucket.cachedTokens())
                .put("completion_tokens", bucket.completionTokens())
                .put("engine_ms", bucket.engineMillis())
                .put("cost_micros", micros(bucket.costPicos()));
    }

    ObjectNode event(RecordedEvent recorded) {
        UsageEvent event = recorded.event();
        return object().put("request_id", event.requestId())
                .put("tenant", names.of(event.tenant()))
                .put("key_id", event.keyId())
                .put("model", event.model())
                .put("adapter", event.adapter())
                .put("adapter_version", event.adapterVersion())
                .put("prompt_tokens", event.promptTokens())
                .put("cached_tokens", event.cachedTokens())
                .put("completion_tokens", event.completionTokens())
                .put("finish_reason", event.finishReason())
                .put("admitted_at", text(recorded.admittedAt()))
                .put("started_at", text(event.startedAt()))
                .put("scheduled_at", text(event.scheduledAt()))
                .put("first_token_at", text(event.firstTokenAt()))
                .put("finished_at", text(event.finishedAt()))
                .put("engine_ms", event.engineMillis())
                .put("cost_micros", micros(BigInteger.valueOf(recorded.costPicos())));
    }

    ObjectNode price(Price price) {
        return object().put("model", price.model())
                .put("tenant", price.tenant() == null ? null : names.of(price.tenant()))
                .put("adapter", price.adapter())
                .put("prompt", price.prompt())
                .put("cached", price.cached())
                .put("completion", price.completion())
                .put("valid_from", text(price.validFrom()));
    }

    ObjectNode webhook(WebhookEndpoint endpoint) {
        return object().put("id", endpoint.id().toString())
                .put("tenant", endpoint.tenant() == null ? null : names.of(endpoint.tenant()))
                .put("url", endpoint.url().toString())
                .put("active", endpoint.active())
                .put("created_at", text(endpoint.createdAt()));
    }

    ObjectNode delivery(WebhookDelivery delivery) {
        return object().put("id", delivery.id().toString())
                .put("endpoint", delivery.endpoint().toString())
                .put("tenant", names.of(delivery.tenant()))
                .put("type", delivery.type())
                .put("payload", delivery.payload())
                .put("state", Choices.wire(delivery.state()))
                .put("attempts", delivery.attempts())
                .put("next_at", text(delivery.nextAt()))
                .put("last_error", delivery.lastError())
                .put("created_at", text(delivery.createdAt()));
    }

    ObjectNode audit(AuditEntry entry) {
        return object().put("number", entry.number())
                .put("at", text(entry.at()))
                .put("actor", entry.actor().name())
                .put("origin", entry.actor().origin())
                .put("action", entry.action())
                .put("tenant", entry.tenant() == null ? null : names.of(entry.tenant()))
                .put("object", entry.object())
                .put("detail", entry.detail())
                .put("hash", entry.hashText());
    }

    static ObjectNode account(Account account) {
        return object().put("name", account.name())
                .put("role", account.role().text())
                .put("created_at", text(account.createdAt()))
                .put("disabled_at", text(account.disabledAt()));
    }

    static String micros(BigInteger picos) {
        return new BigDecimal(picos, PICOS).stripTrailingZeros().toPlainString();
    }

    static @Nullable String text(@Nullable Instant time) {
        return time == null ? null : time.toString();
    }
}
