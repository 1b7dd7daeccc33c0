package dev.aril.api;

import dev.aril.adapters.Adapter;
import dev.aril.adapters.Adapters;
import dev.aril.adapters.ResolvedAdapter;
import dev.aril.engine.Engine;
import dev.aril.tenancy.Tenant;
import java.util.Optional;
import java.util.regex.Pattern;
import org.springframework.stereotype.Component;

/**
 * What does a model name mean to this tenant: the base model, one of its adapters, or nothing?
 * Another tenant's adapter is nothing. All calls block.
 */
@Component
final class ServedModels {
    /** What no adapter can be called is not looked up. */
    private static final Pattern ADAPTER_NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    private final Engine engine;
    private final Adapters adapters;

    ServedModels(Engine engine, Adapters adapters) {
        this.engine = engine;
        this.adapters = adapters;
    }

    /**
     * @throws Refusal 404 model_not_found
     */
    ServedModel resolve(Tenant tenant, String name) {
        if (name.equals(engine.model().name())) {
            return new ServedModel(name, null);
        }
        if (ADAPTER_NAME.matcher(name).matches()) {
            Optional<ResolvedAdapter> found = adapters.resolve(tenant.id(), name);
            if (found.isPresent()) {
                return new ServedModel(name, found.get().ref());
            }
        }
        throw unknown(name);
    }

    /**
     * @throws Refusal 404 model_not_found
     */
    Adapter adapter(Tenant tenant, String name) {
        if (ADAPTER_NAME.matcher(name).matches()) {
            Optional<Adapter> found = adapters.find(tenant.id(), name);
            if (found.isPresent()) {
                return found.get();
            }
        }
        throw unknown(name);
    }

    static Refusal unknown(String name) {
        return new Refusal(
                Problems.unknownModel(name.length() <= 100 ? name : name.substring(0, 100) + "…"));
    }
}
