package dev.aril.admin;

import dev.aril.tenancy.Granularity;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.UsageBucket;
import dev.aril.tenancy.UsageLedger;
import dev.aril.tenancy.UsageQuery;
import dev.aril.tenancy.UsageQuery.Group;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** A tenant's usage over time as lines, one a key or adapter, the smallest together. */
final class UsageChart {
    private static final int LINES = 6;

    enum Range {
        HOUR(Duration.ofHours(1), Granularity.MINUTE),
        DAY(Duration.ofDays(1), Granularity.HOUR),
        WEEK(Duration.ofDays(7), Granularity.HOUR),
        MONTH(Duration.ofDays(30), Granularity.DAY);

        private final Duration length;
        private final Granularity granularity;

        Range(Duration length, Granularity granularity) {
            this.length = length;
            this.granularity = granularity;
        }
    }

    enum Measure {
        TOKENS(bucket -> bucket.promptTokens() + bucket.completionTokens()),
        REQUESTS(UsageBucket::requests),
        COST(bucket -> new BigDecimal(bucket.costPicos(), 12).doubleValue());

        private final ToDoubleFunction<UsageBucket> of;

        Measure(ToDoubleFunction<UsageBucket> of) {
            this.of = of;
        }
    }

    private final UsageLedger ledger;

    UsageChart(UsageLedger ledger) {
        this.ledger = ledger;
    }

    /**
     * {@code {times: seconds, series: names, values: a list a series, total}}; buckets without
     * usage are 0.
     */
    ObjectNode draw(TenantId tenant, Range range, Group by, Measure measure, Instant now) {
        long width = range.granularity.width().toSeconds();
        long end = now.getEpochSecond() / width * width;
        long start = (end - range.length.toSeconds()) / width * width + width;
        int buckets = Math.toIntExact((end - start) / width + 1);
        Map<String, double[]> lines = new LinkedHashMap<>();
        UsageQuery query =
                new UsageQuery(
                        tenant,
                        range.granularity,
                        Instant.ofEpochSecond(start),
                        Instant.ofEpochSecond(end + width),
                        Set.of(by),
                        null,
                        null,
                        null);
        for (UsageBucket bucket : ledger.buckets(query, null, 1000).items()) {
            int at = Math.toIntExact((bucket.start().getEpochSecond() - start) / width);
            lines.computeIfAbsent(name(bucket, by), _ -> new double[buckets])[at] +=
                    measure.of.applyAsDouble(bucket);
        }
        return answer(lines, start, width, buckets);
    }

    private static String name(UsageBucket bucket, Group by) {
        String name = by == Group.KEY ? bucket.keyId() : bucket.adapter();
        return name == null || name.isEmpty() ? (by == Group.KEY ? "no key" : "base model") : name;
    }

    private static ObjectNode answer(
            Map<String, double[]> lines, long start, long width, int buckets) {
        List<String> names = new ArrayList<>(lines.keySet());
        names.sort(
                Comparator.comparingDouble((String name) -> -sum(lines, name))
                        .thenComparing(Comparator.naturalOrder()));
        double total = names.stream().mapToDouble(name -> sum(lines, name)).sum();
        if (names.size() > LINES) {
            double[] rest = new double[buckets];
            for (String name : names.subList(LINES - 1, names.size())) {
                double[] line = line(lines, name);
                for (int i = 0; i < buckets; i++) {
                    rest[i] += line[i];
                }
            }
            names = new ArrayList<>(names.subList(0, LINES - 1));
            names.add("others");
            lines.put("others", rest);
        }
        ObjectNode body = Views.object();
        ArrayNode times = body.putArray("times");
        for (int i = 0; i < buckets; i++) {
            times.add(start + i * width);
        }
        ArrayNode series = body.putArray("series");
        ArrayNode values = body.putArray("values");
        for (String name : names) {
            series.add(name);
            ArrayNode line = values.addArray();
            for (double value : line(lines, name)) {
                line.add(value);
            }
        }
        return body.put("total", total);
    }

    private static double[] line(Map<String, double[]> lines, String name) {
        return Objects.requireNonNull(lines.get(name), name);
    }

    private static double sum(Map<String, double[]> lines, String name) {
        double sum = 0;
        for (double value : line(lines, name)) {
            sum += value;
        }
        return sum;
    }
}
