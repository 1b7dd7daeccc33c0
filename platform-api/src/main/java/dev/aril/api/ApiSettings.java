package dev.aril.api;

import java.time.Duration;

/**
 * What the HTTP side needs to know.
 *
 * @param ping how often a silent stream sends a comment
 * @param bodyBytes largest JSON body
 * @param waitingPerTenant sequences of a tenant that may wait for their first token
 * @param patience how long requests wait
 * @param currency of prices, in the reports of costs
 */
public record ApiSettings(
        Duration ping, long bodyBytes, int waitingPerTenant, Patience patience, String currency) {}
