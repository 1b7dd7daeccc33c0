package dev.aril.tenancy;

import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Tokens and a place held for one generation, until it is settled or cancelled. Held as long as
 * this process lives: if it dies, the database's other users free it within 30 seconds.
 *
 * @param id of the held row
 * @param tokens held: prompt and most generated
 * @param admittedAt by the database's clock; the windows it is counted in follow from it
 */
public record Reservation(
        UUID id,
        String requestId,
        TenantId tenant,
        String keyId,
        @Nullable String adapter,
        long tokens,
        Instant admittedAt,
        Headroom headroom)
        implements Admission {
    /** For rate-limit headers. */
    public Headroom remaining() {
        return headroom;
    }
}
