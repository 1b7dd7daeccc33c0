package dev.aril.admin;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Ticker;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * How often did a log-in fail lately? Counted for a name from one address, for an address, and for
 * a name from everywhere: the first stops somebody who guesses without locking the owner out, the
 * last slows a crowd. Counts are this process's own and are forgotten after a quarter of an hour.
 */
final class LoginFailures {
    static final Duration REMEMBERED = Duration.ofMinutes(15);
    static final int SAME_NAME_AND_ADDRESS = 5;
    static final int SAME_ADDRESS = 50;
    static final int SAME_NAME = 100;

    private record Count(String key, int most) {}

    private final Cache<String, AtomicInteger> failures;

    LoginFailures(Ticker ticker) {
        failures =
                Caffeine.newBuilder()
                        .maximumSize(100_000)
                        .expireAfterWrite(REMEMBERED)
                        .ticker(ticker)
                        .build();
    }

    /** Whether the next attempt is refused unread. */
    boolean tooMany(String name, String address) {
        return counts(name, address).stream()
                .anyMatch(count -> {
                    AtomicInteger seen = failures.getIfPresent(count.key());
                    return seen != null && seen.get() >= count.most();
                });
    }

    void failed(String name, String address) {
        for (Count count : counts(name, address)) {
            failures.get(count.key(), _ -> new AtomicInteger()).incrementAndGet();
        }
    }

    /** A right password forgives this address's failures with this name. */
    void succeeded(String name, String address) {
        failures.invalidate(counts(name, address).getFirst().key());
    }

    private static List<Count> counts(String name, String address) {
        String folded = name.toLowerCase(Locale.ROOT);
        return List.of(
                new Count("both " + address + " " + folded, SAME_NAME_AND_ADDRESS),
                new Count("address " + address, SAME_ADDRESS),
                new Count("name " + folded, SAME_NAME));
    }
}
