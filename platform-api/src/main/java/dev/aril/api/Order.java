package dev.aril.api;

import dev.aril.engine.SamplingParams;
import dev.aril.tenancy.Bearer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A request that has been understood. Its answer has {@code n} choices for each prompt, those of
 * the first prompt first.
 *
 * @param prompts at least one
 * @param includeUsage whether a stream ends with a chunk of usage
 */
record Order(
        Bearer bearer,
        ServedModel model,
        List<Prompt> prompts,
        int n,
        SamplingParams sampling,
        boolean stream,
        boolean includeUsage) {
    /** Choices of one request: each is a sequence in the engine. */
    static final int MOST_CHOICES = 128;

    /**
     * @param ids at least one token id
     * @param echo what its choices begin with; null for nothing
     */
    record Prompt(int[] ids, @Nullable String echo) {}

    Order {
        prompts = List.copyOf(prompts);
    }

    int choices() {
        return prompts.size() * n;
    }

    /** The prompt that a choice answers. */
    Prompt prompt(int choice) {
        return prompts.get(choice / n);
    }

    /** How a choice is drawn: each of several to one prompt by a seed of its own. */
    SamplingParams sampling(int choice) {
        return sampling.answer(choice % n);
    }

    /** Ids of all prompts, each counted once. */
    long promptTokens() {
        return prompts.stream().mapToLong(prompt -> prompt.ids().length).sum();
    }

    /** Ids that may be generated at most, over all choices. */
    long mostCompletionTokens() {
        return (long) choices() * sampling.maxTokens();
    }
}
