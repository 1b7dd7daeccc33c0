package dev.aril.engine;

import dev.aril.engine.quantize.Importer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;

/** A Hugging Face checkpoint becomes an Aril model. */
public final class ModelImport {
    /** A calibration reads so many tokens, unless other is asked for. */
    public static final int CALIBRATION_TOKENS = 32_768;

    private ModelImport() {}

    /** What an import is called: its checkpoint's directory, and the recipe unless it is w4a4. */
    public static String name(Path checkpoint, String recipe) {
        String directory = String.valueOf(checkpoint.toAbsolutePath().normalize().getFileName());
        return recipe.equals("w4a4") ? directory : directory + "-" + recipe;
    }

    /** As the other, with lines alone. */
    public static void run(
            Path checkpoint,
            Path calibration,
            String recipe,
            Path target,
            Consumer<String> progress)
            throws IOException {
        run(checkpoint, calibration, recipe, target, CALIBRATION_TOKENS, Progress.lines(progress));
    }

    /**
     * Imports, unless the target is there already. The result is written beside the target and
     * renamed when it is whole, so that an interrupted import leaves no half of a model; what a
     * killed one left is removed by the next.
     *
     * @param checkpoint a Hugging Face model directory
     * @param calibration a UTF-8 text like those the model will read; recipes but {@code bf16} are
     *     fitted to it
     * @param recipe {@code w4a4}, {@code w4a8}, {@code atom} or {@code bf16}
     * @param tokens of the calibration text that are read, at most
     * @throws IOException if a file cannot be read or written; what was written is gone
     * @throws IllegalArgumentException if the recipe is unknown
     * @throws dev.aril.engine.UnsupportedCheckpoint if the checkpoint is damaged or of another
     *     architecture
     */
    public static void run(
            Path checkpoint,
            Path calibration,
            String recipe,
            Path target,
            int tokens,
            Progress progress)
            throws IOException {
        Importer.run(checkpoint, calibration, recipe, target, tokens, progress);
    }
}
