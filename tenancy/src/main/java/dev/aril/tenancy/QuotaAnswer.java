package dev.aril.tenancy;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A row of {@code quota_books}'s answer.
 *
 * @param outcome admitted, refused, recorded, already, kept, gone or cancelled
 * @param at when the decision was made, by the database's clock; null where none was
 * @param refusal null unless refused
 */
record QuotaAnswer(
        String outcome, @Nullable Instant at, Headroom headroom, @Nullable QuotaRefused refusal) {

    /** The form of the composite type {@code quota_answer}. */
    static QuotaAnswer of(ResultSet row, int number) throws SQLException {
        String outcome = row.getString("outcome");
        Instant at = instant(row, "admitted_at");
        Headroom headroom = new Headroom(room(row, "requests"), room(row, "tokens"));
        return new QuotaAnswer(
                outcome,
                at,
                headroom,
                outcome.equals("refused") ? refusal(row, at, headroom) : null);
    }

    /** The reservation that an admission is. */
    Reservation reservation(UUID id, ReserveRequest request) {
        if (at == null) {
            throw new IllegalStateException("an admission has its moment");
        }
        return new Reservation(
                id,
                request.requestId(),
                request.tenant(),
                request.keyId(),
                request.adapter(),
                request.tokens(),
                at,
                headroom);
    }

    private static QuotaRefused refusal(ResultSet row, @Nullable Instant at, Headroom headroom)
            throws SQLException {
        Metric metric = Metric.of(row.getString("metric"));
        Instant reset = instant(row, "reset_at");
        boolean minutes =
                switch (metric) {
                    case REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, CONCURRENT_REQUESTS -> true;
                    case TOKENS_PER_DAY, TOKENS_PER_MONTH, ADAPTERS, STORED_BYTES -> false;
                };
        return new QuotaRefused(
                metric,
                new QuotaScope(
                        QuotaScope.Kind.of(row.getString("scope")), row.getString("subject")),
                row.getLong("hard"),
                row.getLong("used"),
                row.getLong("amount"),
                reset == null ? Instant.MAX : reset,
                reset == null || at == null ? Duration.ZERO : Duration.between(at, reset),
                minutes && reset != null,
                headroom);
    }

    private static Headroom.@Nullable Room room(ResultSet row, String what) throws SQLException {
        long hard = row.getLong(what + "_hard");
        return row.wasNull()
                ? null
                : new Headroom.Room(
                        hard,
                        row.getLong(what + "_left"),
                        Duration.ofMillis(row.getLong(what + "_ms")));
    }

    private static @Nullable Instant instant(ResultSet row, String column) throws SQLException {
        OffsetDateTime time = row.getObject(column, OffsetDateTime.class);
        return time == null ? null : time.toInstant();
    }
}
