package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.engine.EngineState;
import dev.aril.engine.EngineStats;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.stereotype.Component;

/**
 * Would a request be computed now? Part of readiness, as {@code engine}: down while a failed device
 * is set up anew, and for good once that did not help.
 */
@Component
final class EngineHealthIndicator implements HealthIndicator {
    private final Engine engine;

    EngineHealthIndicator(Engine engine) {
        this.engine = engine;
    }

    @Override
    public Health health() {
        EngineState state = engine.state();
        EngineStats stats = engine.stats();
        return (state == EngineState.READY ? Health.up() : Health.down())
                .withDetail("state", state)
                .withDetail("waiting", stats.waiting())
                .withDetail("running", stats.running())
                .build();
    }
}
