package dev.aril.api;

import dev.aril.adapters.Adapter;
import dev.aril.adapters.Adapters;
import dev.aril.engine.Engine;
import dev.aril.tenancy.Tenant;
import org.springframework.stereotype.Component;

/**
 * What does a model name mean to this tenant: the base model, one of its adapters, or nothing?
 * Another tenant's adapter is nothing. All calls block.
 */
@Component
final class ServedModels {
    private final Engine engine;
    private final Adapters adapters;
    private final DatabaseGuard database;

    ServedModels(Engine engine, Adapters adapters, DatabaseGuard database) {
        this.engine = engine;
        this.adapters = adapters;
        this.database = database;
    }

    /**
     * @throws Refusal 404 model_not_found
     */
    ServedModel resolve(Tenant tenant, String name) {
        String base = engine.model().name();
        if (name.equals(base)) {
            return new ServedModel(name, null, base);
        }
        return database.ask(() -> adapters.resolve(tenant.id(), name))
                .map(found -> new ServedModel(name, found.ref(), base))
                .orElseThrow(() -> unknown(name));
    }

    /**
     * @throws Refusal 404 model_not_found
     */
    Adapter adapter(Tenant tenant, String name) {
        return database.ask(() -> adapters.find(tenant.id(), name))
                .orElseThrow(() -> unknown(name));
    }

    static Refusal unknown(String name) {
        return new Refusal(
                Problems.unknownModel(name.length() <= 100 ? name : name.substring(0, 100) + "…"));
    }
}
