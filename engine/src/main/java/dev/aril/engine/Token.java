package dev.aril.engine;

/**
 * What an id of the vocabulary stands for.
 *
 * @param bytes in UTF-8, maybe a part of a character; a special token's name; none for an id that
 *     only fills the vocabulary up
 * @param text whether these are part of an answer's text; a special token's are not
 */
public record Token(byte[] bytes, boolean text) {}
