package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.engine.EngineStats;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.util.function.ToDoubleFunction;
import org.springframework.stereotype.Component;

/** The engine's books as metrics. */
@Component
final class EngineMetrics implements MeterBinder {
    private final Engine engine;

    EngineMetrics(Engine engine) {
        this.engine = engine;
    }

    @Override
    public void bindTo(MeterRegistry registry) {
        int kinds = engine.stats().steps().size();
        for (int i = 0; i < kinds; i++) {
            int adapters = i;
            FunctionCounter.builder(
                            "aril.engine.steps", engine, e -> e.stats().steps().get(adapters))
                    .description("steps, by how many different adapters their batch held")
                    .tag("adapters", i == kinds - 1 ? i + "+" : Integer.toString(i))
                    .register(registry);
        }
        counter(
                registry,
                "aril.prompt.tokens",
                "rows computed for prompts",
                EngineStats::promptTokens);
        counter(registry, "aril.completion.tokens", "ids sampled", EngineStats::completionTokens);
        seconds(
                registry,
                "aril.engine.host",
                "time in which the device waited for the host: booking, scheduling, launching",
                EngineStats::hostNanos);
        seconds(
                registry,
                "aril.engine.device.wait",
                "time in which the host waited for the device",
                EngineStats::deviceNanos);
        gauge(
                registry,
                "aril.requests.waiting",
                "sequences not yet admitted",
                EngineStats::waiting);
        gauge(registry, "aril.requests.running", "sequences with KV blocks", EngineStats::running);
        gauge(registry, "aril.kv.blocks", "all KV blocks", EngineStats::kvBlocks);
        gauge(registry, "aril.kv.blocks.free", "free KV blocks", EngineStats::kvBlocksFree);
        gauge(
                registry,
                "aril.adapters.resident",
                "adapters in the device's memory",
                stats -> stats.residentAdapters().size());
        gauge(registry, "aril.adapters.bytes", "bytes these take", EngineStats::adapterBytes);
        counter(
                registry,
                "aril.adapters.loads",
                "adapters put into the device's memory",
                EngineStats::adapterLoads);
    }

    private void counter(
            MeterRegistry registry, String name, String what, ToDoubleFunction<EngineStats> value) {
        FunctionCounter.builder(name, engine, e -> value.applyAsDouble(e.stats()))
                .description(what)
                .register(registry);
    }

    private void seconds(
            MeterRegistry registry, String name, String what, ToDoubleFunction<EngineStats> nanos) {
        FunctionCounter.builder(name, engine, e -> nanos.applyAsDouble(e.stats()) / 1e9)
                .description(what)
                .baseUnit("seconds")
                .register(registry);
    }

    private void gauge(
            MeterRegistry registry, String name, String what, ToDoubleFunction<EngineStats> value) {
        Gauge.builder(name, engine, e -> value.applyAsDouble(e.stats()))
                .description(what)
                .register(registry);
    }
}
