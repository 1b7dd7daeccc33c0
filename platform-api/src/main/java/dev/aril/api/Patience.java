package dev.aril.api;

import java.time.Duration;

/**
 * How long a request waits.
 *
 * @param firstToken from its acceptance to its first token, the queue included
 * @param betweenTokens from one token to the next, over all its choices
 * @param settlement for the ledger's row to be written, before the client is told that it is not
 */
public record Patience(Duration firstToken, Duration betweenTokens, Duration settlement) {
    public Patience {
        check("aril.timeouts.first-token", firstToken);
        check("aril.timeouts.between-tokens", betweenTokens);
        check("aril.timeouts.settlement", settlement);
    }

    private static void check(String setting, Duration value) {
        if (value.compareTo(Duration.ofMillis(10)) < 0) {
            throw new IllegalArgumentException(setting + " must be at least 10 ms, not " + value);
        }
    }

    Duration shortest() {
        return firstToken.compareTo(betweenTokens) < 0 ? firstToken : betweenTokens;
    }
}
