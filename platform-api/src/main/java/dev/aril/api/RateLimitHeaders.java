package dev.aril.api;

import dev.aril.tenancy.Headroom;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** OpenAI's six headers: what is left of the limits per minute. Absent where nothing limits. */
final class RateLimitHeaders {
    private RateLimitHeaders() {}

    static Map<String, String> of(Headroom headroom) {
        Map<String, String> headers = new TreeMap<>();
        put(headers, "requests", headroom.requests());
        put(headers, "tokens", headroom.tokens());
        return headers;
    }

    private static void put(
            Map<String, String> headers, String what, Headroom.@Nullable Room room) {
        if (room != null) {
            headers.put("x-ratelimit-limit-" + what, Long.toString(room.limit()));
            headers.put("x-ratelimit-remaining-" + what, Long.toString(room.remaining()));
            headers.put("x-ratelimit-reset-" + what, text(room.reset()));
        }
    }

    /** As OpenAI writes it: {@code 88ms}, {@code 1.5s}, {@code 6m0s}. */
    static String text(Duration duration) {
        long millis = Math.max(0, duration.toMillis());
        if (millis < 1000) {
            return millis + "ms";
        }
        long minutes = millis / 60_000;
        long rest = millis % 60_000;
        String seconds =
                rest % 1000 == 0
                        ? Long.toString(rest / 1000)
                        : String.format("%d.%03d", rest / 1000, rest % 1000).replaceAll("0+$", "");
        return (minutes > 0 ? minutes + "m" : "") + seconds + "s";
    }
}
