package dev.aril.engine.model;

import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterSummary;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/** A LoRA adapter in PEFT's two files, checked whole against a model. */
public final class PeftAdapter {
    public static PeftAdapter read(Path folder, ModelConfig config)
            throws AdapterRejected, IOException {
        throw new UnsupportedOperationException(folder.toString() + config);
    }

    /** The update of one module; empty where the adapter leaves it as it is. */
    public Optional<LoraPair> pair(int layer, Projection projection) {
        throw new UnsupportedOperationException(projection.path(layer));
    }

    public AdapterSummary summary() {
        throw new UnsupportedOperationException();
    }

    /** SHA-256 over the canonical config and tensors, 64 lower-case hex digits. */
    public String digest() {
        return summary().digest();
    }
}
