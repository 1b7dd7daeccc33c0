package dev.aril.engine;

/**
 * What a generation cost.
 *
 * @param promptTokens ids of the prompt
 * @param completionTokens ids sampled, the ending one included; a stop string's ids count too
 */
public record Usage(int promptTokens, int completionTokens) {
    public int totalTokens() {
        return promptTokens + completionTokens;
    }
}
