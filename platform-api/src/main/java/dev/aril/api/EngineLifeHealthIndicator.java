package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.engine.EngineState;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.stereotype.Component;

/** Would a new process help? Part of liveness, as {@code engineLife}. */
@Component
final class EngineLifeHealthIndicator implements HealthIndicator {
    private final Engine engine;

    EngineLifeHealthIndicator(Engine engine) {
        this.engine = engine;
    }

    @Override
    public Health health() {
        return (engine.state() == EngineState.BROKEN ? Health.down() : Health.up()).build();
    }
}
