package dev.aril.tenancy;

import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** An element of {@code quota_books}'s batch. */
sealed interface QuotaOperation {
    TenantId tenant();

    /** Of the reservation. */
    UUID id();

    /** See {@link Quota#reserve}. */
    record Reserve(UUID id, ReserveRequest request) implements QuotaOperation {
        @Override
        public TenantId tenant() {
            return request.tenant();
        }
    }

    /**
     * See {@link Quota#settle} and {@link Quota#checkpoint}.
     *
     * @param last whether it settles
     */
    record Spend(boolean last, UUID id, Instant admittedAt, UsageEvent event)
            implements QuotaOperation {
        @Override
        public TenantId tenant() {
            return event.tenant();
        }
    }

    /** See {@link Quota#cancel}. */
    record Cancel(UUID id, TenantId tenant) implements QuotaOperation {}

    /** As {@code quota_books} reads it. */
    static String batch(Iterable<QuotaOperation> operations) {
        ArrayNode batch = JsonMapper.shared().createArrayNode();
        for (QuotaOperation operation : operations) {
            write(batch.addObject(), operation);
        }
        return batch.toString();
    }

    private static void write(ObjectNode to, QuotaOperation operation) {
        to.put("tenant", operation.tenant().toString()).put("id", operation.id().toString());
        switch (operation) {
            case Reserve(_, ReserveRequest request) ->
                    to.put("do", "reserve")
                            .put("request", request.requestId())
                            .put("key", request.keyId())
                            .put("adapter", request.adapter())
                            .put("tokens", request.tokens());
            case Spend(boolean last, _, Instant admitted, UsageEvent event) -> {
                to.put("do", last ? "settle" : "checkpoint").put("admitted", text(admitted));
                write(to, event);
            }
            case Cancel _ -> to.put("do", "cancel");
        }
    }

    private static void write(ObjectNode to, UsageEvent event) {
        to.put("request", event.requestId())
                .put("key", event.keyId())
                .put("model", event.model())
                .put("adapter", event.adapter())
                .put("version", event.adapterVersion())
                .put("prompt", event.promptTokens())
                .put("cached", event.cachedTokens())
                .put("completion", event.completionTokens())
                .put("reason", event.finishReason())
                .put("started", text(event.startedAt()))
                .put("scheduled", text(event.scheduledAt()))
                .put("first", text(event.firstTokenAt()))
                .put("finished", text(event.finishedAt()))
                .put("ms", event.engineMillis());
    }

    private static @Nullable String text(@Nullable Instant instant) {
        return instant == null ? null : instant.toString();
    }
}
