package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.engine.EngineStats;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.stereotype.Component;

/** Does the engine's thread still turn? Part of readiness, as {@code engine}. */
@Component
final class EngineHealthIndicator implements HealthIndicator {
    private final Engine engine;

    EngineHealthIndicator(Engine engine) {
        this.engine = engine;
    }

    @Override
    public Health health() {
        EngineStats stats = engine.stats();
        return (engine.accepts() ? Health.up() : Health.down())
                .withDetail("waiting", stats.waiting())
                .withDetail("running", stats.running())
                .build();
    }
}
