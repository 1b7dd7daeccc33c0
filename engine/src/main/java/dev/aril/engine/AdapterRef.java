package dev.aril.engine;

import java.nio.file.Path;

/**
 * A LoRA adapter by its content.
 *
 * @param digest SHA-256 over the canonical config and tensors, 64 lower-case hex digits: two
 *     adapters with the same digest are the same adapter
 * @param folder holds {@code adapter_config.json} and {@code adapter_model.safetensors}, verified
 *     by {@link Engine#verify} before; never changed afterwards
 */
public record AdapterRef(String digest, Path folder) {
    public AdapterRef {
        if (!digest.matches("[0-9a-f]{64}")) {
            throw new IllegalArgumentException("not a SHA-256 digest: " + digest);
        }
    }
}
