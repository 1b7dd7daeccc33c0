package dev.aril.engine;

import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;

/** Makes an Aril model from a checkpoint. */
public final class ModelImport {
    private ModelImport() {}

    public static void run(
            Path checkpoint,
            Path calibrationText,
            String recipe,
            Path target,
            Consumer<String> progress)
            throws IOException {
        throw new IOException("not built yet: " + checkpoint + calibrationText + recipe + target);
    }
}
