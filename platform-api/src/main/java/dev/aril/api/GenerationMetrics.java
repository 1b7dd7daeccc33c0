package dev.aril.api;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.time.Instant;
import org.springframework.stereotype.Component;

/** What the clients saw: how their generations ended, and when the first text came. */
@Component
final class GenerationMetrics {
    private final MeterRegistry registry;
    private final Timer firstToken;

    GenerationMetrics(MeterRegistry registry) {
        this.registry = registry;
        this.firstToken =
                Timer.builder("aril.time.to.first.token")
                        .description("from the request's acceptance to its first text")
                        .serviceLevelObjectives(
                                Duration.ofMillis(50),
                                Duration.ofMillis(100),
                                Duration.ofMillis(250),
                                Duration.ofMillis(500),
                                Duration.ofSeconds(1),
                                Duration.ofSeconds(2),
                                Duration.ofSeconds(5),
                                Duration.ofSeconds(15))
                        .register(registry);
    }

    void firstToken(Instant accepted, Instant now) {
        firstToken.record(Duration.between(accepted, now));
    }

    /**
     * @param reason {@code stop}, {@code length}, {@code cancelled} or {@code failed}
     */
    void ended(String reason) {
        Counter.builder("aril.generations")
                .description("generations that ended")
                .tag("finish_reason", reason)
                .register(registry)
                .increment();
    }
}
