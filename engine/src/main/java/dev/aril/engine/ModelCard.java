package dev.aril.engine;

/**
 * The base model as its users see it.
 *
 * @param name for example {@code novella-11m}
 * @param recipe {@code w4a4} or {@code bf16}
 * @param contextLength tokens of prompt and completion together
 * @param vocabulary number of token ids
 * @param createdAt when it was imported, seconds since 1970
 */
public record ModelCard(
        String name, String recipe, int contextLength, int vocabulary, long createdAt) {
    ModelCard withContextLength(int tokens) {
        return new ModelCard(name, recipe, tokens, vocabulary, createdAt);
    }
}
