package dev.aril.api;

import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaRefused;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.springframework.http.HttpStatus;

/**
 * A refusal of the quota as OpenAI's clients read it. What a wait of at most a minute mends says
 * how long; what it does not mend says {@code x-should-retry: false}, because some clients would
 * wait for hours.
 */
final class QuotaProblems {
    private static final Duration LONGEST_WAIT = Duration.ofMinutes(1);

    private QuotaProblems() {}

    /**
     * @param model the name the tenant asked for
     */
    static Problem of(QuotaRefused refused, String model) {
        Map<String, String> headers = RateLimitHeaders.of(refused.headroom());
        if (refused.metric() == Metric.TOKENS_PER_DAY
                || refused.metric() == Metric.TOKENS_PER_MONTH
                || refused.metric().stored()) {
            return exhausted(refused, headers);
        }
        if (refused.neverFits()) {
            return problem(
                            type(refused),
                            "Request too large for %s on %s: Limit %d, Requested %d. It will never fit; ask for fewer tokens or have the limit raised."
                                    .formatted(
                                            model,
                                            name(refused),
                                            refused.limit(),
                                            refused.requested()),
                            "rate_limit_exceeded",
                            headers)
                    .noRetry();
        }
        Duration wait = shorter(refused.retryAfter(), LONGEST_WAIT);
        return problem(
                        type(refused),
                        "Rate limit reached for %s on %s: Limit %d, Used %d, Requested %d. Please try again in %s."
                                .formatted(
                                        model,
                                        name(refused),
                                        refused.limit(),
                                        refused.used(),
                                        refused.requested(),
                                        RateLimitHeaders.text(wait)),
                        "rate_limit_exceeded",
                        headers)
                .retryAfter(wait);
    }

    private static Problem exhausted(QuotaRefused refused, Map<String, String> headers) {
        boolean resets = refused.resetAt().isBefore(Instant.MAX) && !refused.neverFits();
        Problem problem =
                problem(
                                "insufficient_quota",
                                "You exceeded your current quota, %s: Limit %d, Used %d, Requested %d. %s"
                                        .formatted(
                                                name(refused),
                                                refused.limit(),
                                                refused.used(),
                                                refused.requested(),
                                                resets
                                                        ? "It is new at " + refused.resetAt() + "."
                                                        : "Ask for less or have it raised."),
                                "insufficient_quota",
                                headers)
                        .noRetry();
        return resets ? problem.with("x-quota-reset", refused.resetAt().toString()) : problem;
    }

    private static Problem problem(
            String type, String message, String code, Map<String, String> headers) {
        return new Problem(
                HttpStatus.TOO_MANY_REQUESTS, type, message, null, code, Map.copyOf(headers));
    }

    private static String type(QuotaRefused refused) {
        return refused.metric() == Metric.TOKENS_PER_MINUTE ? "tokens" : "requests";
    }

    /** The limit, and whose it is where it is not the whole tenant's. */
    private static String name(QuotaRefused refused) {
        String metric =
                switch (refused.metric()) {
                    case REQUESTS_PER_MINUTE -> "requests per min (RPM)";
                    case TOKENS_PER_MINUTE -> "tokens per min (TPM)";
                    case TOKENS_PER_DAY -> "tokens per day (TPD)";
                    case TOKENS_PER_MONTH -> "tokens per month";
                    case CONCURRENT_REQUESTS -> "requests at the same time";
                    case ADAPTERS -> "adapters";
                    case STORED_BYTES -> "stored bytes of adapters";
                };
        return switch (refused.scope().kind()) {
            case TENANT -> metric;
            case KEY -> metric + " of this API key";
            case ADAPTER -> metric + " of adapter " + refused.scope().subject();
        };
    }

    private static Duration shorter(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }
}
