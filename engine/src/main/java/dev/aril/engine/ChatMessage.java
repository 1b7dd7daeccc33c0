package dev.aril.engine;

/**
 * One message of a conversation, as the model's chat template reads it.
 *
 * @param role for example {@code system}, {@code user} or {@code assistant}
 */
public record ChatMessage(String role, String content) {}
