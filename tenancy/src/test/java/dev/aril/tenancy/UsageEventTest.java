package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class UsageEventTest {
    private static final Instant NOON = Instant.parse("2026-03-01T12:00:00Z");

    @Test
    void impossibleUsageIsNoEvent() {
        assertThatThrownBy(() -> event("", 1, 0, 1, NOON)).hasMessageContaining("requestId");
        assertThatThrownBy(() -> event("x".repeat(129), 1, 0, 1, NOON))
                .hasMessageContaining("requestId");
        assertThatThrownBy(() -> event("g", -1, 0, 1, NOON)).hasMessageContaining("negative");
        assertThatThrownBy(() -> event("g", 1, 0, -1, NOON)).hasMessageContaining("negative");
        assertThatThrownBy(() -> event("g", 1, 2, 1, NOON)).hasMessageContaining("cachedTokens");
    }

    @Test
    void aClockSetBackCostsNoRow() {
        assertThat(event("g", 1, 0, 1, NOON.minusSeconds(1)).finishedAt()).isEqualTo(NOON);
    }

    private static UsageEvent event(
            String id, long prompt, long cached, long completion, Instant finished) {
        return new UsageEvent(
                id,
                new TenantId(UUID.randomUUID()),
                "k",
                "m",
                null,
                null,
                prompt,
                cached,
                completion,
                "stop",
                NOON,
                null,
                null,
                finished,
                1);
    }
}
