package dev.aril.engine;

import dev.aril.engine.quantize.Importer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;

/** A Hugging Face checkpoint becomes an Aril model. */
public final class ModelImport {
    private ModelImport() {}

    /** What an import is called: its checkpoint's directory, and the recipe unless it is w4a4. */
    public static String name(Path checkpoint, String recipe) {
        String directory = String.valueOf(checkpoint.toAbsolutePath().normalize().getFileName());
        return recipe.equals("w4a4") ? directory : directory + "-" + recipe;
    }

    /**
     * Imports, unless the target is there already. The result is written beside the target and
     * renamed when it is whole, so that an interrupted import leaves no half of a model.
     *
     * @param checkpoint a Hugging Face model directory
     * @param calibration a UTF-8 text like those the model will read; the {@code w4a4} recipe
     *     measures its channels on it
     * @param recipe {@code w4a4} or {@code bf16}
     * @param progress gets lines for people
     * @throws IOException if a file cannot be read or written
     * @throws IllegalArgumentException if the recipe is unknown
     * @throws dev.aril.engine.UnsupportedCheckpoint if the checkpoint is damaged or of another
     *     architecture
     */
    public static void run(
            Path checkpoint,
            Path calibration,
            String recipe,
            Path target,
            Consumer<String> progress)
            throws IOException {
        Importer.run(checkpoint, calibration, recipe, target, progress);
    }
}
