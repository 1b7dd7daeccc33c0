package dev.aril.adapters;

import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterSummary;
import java.nio.file.Path;

/** Can the engine serve these files? {@code engine::verify} in the application. */
@FunctionalInterface
public interface AdapterVerifier {
    /**
     * @param folder holds {@code adapter_config.json} and {@code adapter_model.safetensors}
     */
    AdapterSummary verify(Path folder) throws AdapterRejected;
}
