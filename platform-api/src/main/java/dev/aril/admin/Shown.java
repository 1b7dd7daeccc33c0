package dev.aril.admin;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Numbers and times for people's eyes; the API has them exact. */
final class Shown {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss", Locale.ROOT)
                    .withZone(ZoneOffset.UTC);

    private Shown() {}

    static String number(@Nullable Long number) {
        return number == null ? "–" : String.format(Locale.ROOT, "%,d", number);
    }

    /** UTC, to the second. */
    static String time(@Nullable Instant time) {
        return time == null ? "–" : TIME.format(time);
    }

    /** Whole units of the currency, of millionths of its micro-units. */
    static String cost(BigInteger picos) {
        return new BigDecimal(picos, 12).setScale(4, RoundingMode.HALF_UP).toPlainString();
    }
}
