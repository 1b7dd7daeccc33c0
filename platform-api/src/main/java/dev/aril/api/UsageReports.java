package dev.aril.api;

import dev.aril.tenancy.Bearer;
import dev.aril.tenancy.UsageBucket;
import dev.aril.tenancy.UsageLedger;
import dev.aril.tenancy.UsageQuery;
import dev.aril.tenancy.UsageQuery.Group;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Clock;
import java.time.Instant;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.util.MultiValueMap;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestAttribute;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import reactor.core.publisher.Mono;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** /v1/organization: what a tenant used and what it costs, from the ledger's rollups. */
@RestController
final class UsageReports {
    /** Decimal places of a cost: millionths of a micro-unit. */
    private static final int PICO = 12;

    /**
     * One line of a bucket.
     *
     * @param keyId null where keys are summed
     * @param model the name asked for, an adapter's or the base model's; null where models are
     *     summed
     */
    private record Line(@Nullable String keyId, @Nullable String model) {}

    /** What a line sums up. */
    private record Sum(long requests, long prompt, long cached, long completion, BigInteger cost) {
        private static final Sum NONE = new Sum(0, 0, 0, 0, BigInteger.ZERO);

        Sum plus(UsageBucket more) {
            return new Sum(
                    requests + more.requests(),
                    prompt + more.promptTokens(),
                    cached + more.cachedTokens(),
                    completion + more.completionTokens(),
                    cost.add(more.costPicos()));
        }
    }

    private final UsageLedger ledger;
    private final ApiSettings settings;
    private final Blocking blocking;
    private final Clock clock;

    UsageReports(UsageLedger ledger, ApiSettings settings, Blocking blocking, Clock clock) {
        this.ledger = ledger;
        this.settings = settings;
        this.blocking = blocking;
        this.clock = clock;
    }

    @GetMapping("/v1/organization/usage/completions")
    Mono<ObjectNode> usage(
            @RequestAttribute(ApiKeyGate.BEARER) Bearer bearer,
            @RequestParam MultiValueMap<String, String> parameters) {
        return blocking.call(() -> {
            UsageParameters asked = UsageParameters.usage(parameters, clock.instant());
            return page(bearer, asked, UsageReports::usage);
        });
    }

    @GetMapping("/v1/organization/costs")
    Mono<ObjectNode> costs(
            @RequestAttribute(ApiKeyGate.BEARER) Bearer bearer,
            @RequestParam MultiValueMap<String, String> parameters) {
        return blocking.call(() -> {
            UsageParameters asked = UsageParameters.costs(parameters, clock.instant());
            return page(bearer, asked, this::cost);
        });
    }

    @FunctionalInterface
    private interface Writer {
        void write(ObjectNode result, Line line, Sum sum);
    }

    private ObjectNode page(Bearer bearer, UsageParameters asked, Writer writer) {
        Map<Instant, Map<Line, Sum>> buckets = buckets(bearer, asked);
        ObjectNode page = JsonNodeFactory.instance.objectNode().put("object", "page");
        ArrayNode data = page.putArray("data");
        for (Instant start : asked.starts()) {
            Instant end = start.plus(asked.width().width());
            ObjectNode bucket =
                    data.addObject()
                            .put("object", "bucket")
                            .put("start_time", start.getEpochSecond())
                            .put("end_time", end.getEpochSecond());
            ArrayNode results = bucket.putArray("results");
            buckets.getOrDefault(start, Map.of())
                    .forEach((line, sum) -> writer.write(results.addObject(), line, sum));
        }
        return page.put("has_more", asked.next() != null).put("next_page", asked.next());
    }

    private Map<Instant, Map<Line, Sum>> buckets(Bearer bearer, UsageParameters asked) {
        Map<Instant, Map<Line, Sum>> buckets = new LinkedHashMap<>();
        List<Instant> starts = asked.starts();
        if (starts.isEmpty()) {
            return buckets;
        }
        Set<Group> groups = EnumSet.noneOf(Group.class);
        if (asked.byKey() || !asked.keys().isEmpty()) {
            groups.add(Group.KEY);
        }
        if (asked.byModel() || !asked.models().isEmpty()) {
            groups.add(Group.MODEL);
            groups.add(Group.ADAPTER);
        }
        UsageQuery query =
                new UsageQuery(
                        bearer.tenant().id(),
                        asked.width(),
                        starts.getFirst(),
                        starts.getLast().plus(asked.width().width()),
                        groups,
                        null,
                        null,
                        null);
        for (UsageBucket bucket : ledger.buckets(query, null, starts.size()).items()) {
            String model = model(bucket);
            boolean wanted =
                    (asked.keys().isEmpty() || asked.keys().contains(bucket.keyId()))
                            && (asked.models().isEmpty() || asked.models().contains(model));
            if (wanted) {
                Line line =
                        new Line(
                                asked.byKey() ? bucket.keyId() : null,
                                asked.byModel() ? model : null);
                buckets.computeIfAbsent(bucket.start(), start -> new LinkedHashMap<>())
                        .merge(line, Sum.NONE.plus(bucket), (sum, one) -> sum.plus(bucket));
            }
        }
        return buckets;
    }

    /** The name a tenant asks for: its adapter's, or the base model's. */
    private static @Nullable String model(UsageBucket bucket) {
        String adapter = Objects.requireNonNullElse(bucket.adapter(), "");
        return adapter.isEmpty() ? bucket.model() : adapter;
    }

    private static void usage(ObjectNode result, Line line, Sum sum) {
        result.put("object", "organization.usage.completions.result")
                .put("input_tokens", sum.prompt())
                .put("input_cached_tokens", sum.cached())
                .put("input_audio_tokens", 0)
                .put("output_tokens", sum.completion())
                .put("output_audio_tokens", 0)
                .put("num_model_requests", sum.requests())
                .putNull("project_id")
                .putNull("user_id")
                .put("api_key_id", line.keyId())
                .put("model", line.model())
                .putNull("batch")
                .putNull("service_tier");
    }

    private void cost(ObjectNode result, Line line, Sum sum) {
        result.put("object", "organization.costs.result");
        result.putObject("amount")
                .put("value", new BigDecimal(sum.cost(), PICO).stripTrailingZeros())
                .put("currency", settings.currency());
        result.put("line_item", line.model())
                .putNull("project_id")
                .put("api_key_id", line.keyId())
                .put("quantity", sum.prompt() + sum.completion())
                .put("quantity_unit", "tokens");
    }
}
