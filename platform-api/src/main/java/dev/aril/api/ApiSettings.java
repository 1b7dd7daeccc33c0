package dev.aril.api;

import java.time.Duration;

/**
 * What the HTTP side needs to know.
 *
 * @param ping how often a silent stream sends a comment
 * @param bodyBytes largest JSON body
 */
public record ApiSettings(Duration ping, long bodyBytes) {}
