package dev.aril.adapters;

import java.nio.file.Path;

/**
 * Where adapters are kept and how large they may be.
 *
 * @param folder holds {@code adapters/} and {@code staging/}, on one file system
 * @param baseModel the base model's name, which no adapter may take
 * @param configBytes largest {@code adapter_config.json}
 * @param modelBytes largest {@code adapter_model.safetensors}
 */
public record AdapterStoreSettings(
        Path folder, String baseModel, long configBytes, long modelBytes) {
    public AdapterStoreSettings {
        if (configBytes < 1 || modelBytes < 1) {
            throw new IllegalArgumentException(
                    "configBytes and modelBytes must be positive, not "
                            + configBytes
                            + " and "
                            + modelBytes);
        }
    }

    /** 64 KiB of configuration and 1 GiB of tensors. */
    public static AdapterStoreSettings of(Path folder, String baseModel) {
        return new AdapterStoreSettings(folder, baseModel, 64 << 10, 1L << 30);
    }
}
