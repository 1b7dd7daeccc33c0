package dev.aril.engine;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How the next token is chosen and when to stop. The record checks itself: a value out of range is
 * an {@link IllegalArgumentException} that names field and limits.
 *
 * @param maxTokens ids to sample at most; 0 computes the prompt only
 * @param temperature 0..2; 0 is greedy
 * @param topP above 0, at most 1: keep the smallest set of ids with this much probability
 * @param topK keep the k most likely ids; 0 keeps all
 * @param minP 0..1: drop ids less likely than this share of the most likely one
 * @param seed makes the draw repeatable; null draws a fresh one
 * @param repetitionPenalty above 0, 1 is none: divides positive and multiplies negative logits of
 *     ids in prompt or completion (CTRL, arXiv 1909.05858)
 * @param presencePenalty -2..2, taken once from the logit of each id in the completion
 * @param frequencyPenalty -2..2, taken from the logit for each time the id is in the completion
 * @param stop at most 4 strings that end the generation; none of their text is sent
 * @param stopIds ids that end the generation besides the model's own end ids
 * @param ignoreEos goes on at the model's end ids (for benchmarks)
 * @param logitBias at most {@value #MOST_BIASES} ids and what is added to their logits, -100..100,
 *     before penalties and temperature
 * @param logprobs with each sampled id come its logprob and those of so many most likely ids,
 *     0..{@value #MOST_LOGPROBS}; null for none
 * @param promptLogprobs whether the prompt's ids come with theirs too; needs {@code logprobs}
 */
public record SamplingParams(
        int maxTokens,
        double temperature,
        double topP,
        int topK,
        double minP,
        @Nullable Long seed,
        double repetitionPenalty,
        double presencePenalty,
        double frequencyPenalty,
        List<String> stop,
        Set<Integer> stopIds,
        boolean ignoreEos,
        Map<Integer, Float> logitBias,
        @Nullable Integer logprobs,
        boolean promptLogprobs) {
    public static final int MAX_STOP_STRINGS = 4;
    public static final int MOST_BIASES = 1024;
    public static final int MOST_LOGPROBS = 20;

    public SamplingParams {
        check(maxTokens >= 0, "maxTokens", "at least 0", maxTokens);
        check(temperature >= 0 && temperature <= 2, "temperature", "between 0 and 2", temperature);
        check(topP > 0 && topP <= 1, "topP", "above 0 and at most 1", topP);
        check(topK >= 0, "topK", "0 (off) or more", topK);
        check(minP >= 0 && minP <= 1, "minP", "between 0 and 1", minP);
        check(
                repetitionPenalty > 0 && repetitionPenalty <= 10,
                "repetitionPenalty",
                "above 0 and at most 10",
                repetitionPenalty);
        check(
                Math.abs(presencePenalty) <= 2,
                "presencePenalty",
                "between -2 and 2",
                presencePenalty);
        check(
                Math.abs(frequencyPenalty) <= 2,
                "frequencyPenalty",
                "between -2 and 2",
                frequencyPenalty);
        stop = List.copyOf(stop);
        check(stop.size() <= MAX_STOP_STRINGS, "stop", "at most 4 strings", stop.size());
        check(stop.stream().noneMatch(String::isEmpty), "stop", "non-empty strings", "\"\"");
        stopIds = Set.copyOf(stopIds);
        logitBias = Map.copyOf(logitBias);
        check(
                logitBias.size() <= MOST_BIASES,
                "logitBias",
                "of at most " + MOST_BIASES + " ids",
                logitBias.size());
        for (float bias : logitBias.values()) {
            check(Math.abs(bias) <= 100, "logitBias", "between -100 and 100", bias);
        }
        check(
                logprobs == null || (logprobs >= 0 && logprobs <= MOST_LOGPROBS),
                "logprobs",
                "between 0 and " + MOST_LOGPROBS,
                String.valueOf(logprobs));
        check(!promptLogprobs || logprobs != null, "promptLogprobs", "with logprobs", logprobs);
    }

    /** Without biases and logprobs. */
    public SamplingParams(
            int maxTokens,
            double temperature,
            double topP,
            int topK,
            double minP,
            @Nullable Long seed,
            double repetitionPenalty,
            double presencePenalty,
            double frequencyPenalty,
            List<String> stop,
            Set<Integer> stopIds,
            boolean ignoreEos) {
        this(
                maxTokens,
                temperature,
                topP,
                topK,
                minP,
                seed,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                stop,
                stopIds,
                ignoreEos,
                Map.of(),
                null,
                false);
    }

    /** Greedy, no penalties, no stops but the model's own. */
    public static SamplingParams greedy(int maxTokens) {
        return new SamplingParams(maxTokens, 0, 1, 0, 0, null, 1, 0, 0, List.of(), Set.of(), false);
    }

    /** Whether ids that are there already change what comes next. */
    public boolean penalizes() {
        return repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0;
    }

    /**
     * The same for one of several answers to one prompt: the first draws as asked, each other one
     * from a seed of its own that follows from the given one (SplitMix64's increment).
     *
     * @param index of the answer, from 0
     */
    public SamplingParams answer(int index) {
        Long own = seed == null ? null : Long.valueOf(seed + index * 0x9E3779B97F4A7C15L);
        return new SamplingParams(
                maxTokens,
                temperature,
                topP,
                topK,
                minP,
                own,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                stop,
                stopIds,
                ignoreEos,
                logitBias,
                logprobs,
                promptLogprobs);
    }

    private static void check(boolean ok, String field, String limits, @Nullable Object value) {
        if (!ok) {
            throw new IllegalArgumentException(field + " must be " + limits + ", not " + value);
        }
    }
}
