package dev.aril.engine.quantize;

import dev.aril.engine.ModelImport;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.KvFormat;
import dev.aril.engine.kernels.Matrices;
import dev.aril.engine.model.Checkpoint;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Recipe;
import dev.aril.engine.model.WeightSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.DoubleConsumer;

/**
 * A step on the way to a recipe, to see what it is worth: a recipe that is not imported under any
 * name, and how its weights are rounded. It is computed as it would be served.
 *
 * @param label for people
 */
public record AblationRecipe(String label, Recipe recipe, Rounding rounding) {
    private static final Rounding ATOMS_CLIP = new Rounding(0.85f, false, false, false);
    private static final Rounding SEARCHED = new Rounding(0.9f, true, false, false);

    /**
     * The table of Atom's slides (arXiv 2310.19102), each line with what the one before has; then
     * the same with rotated groups. The first is the unquantized control.
     */
    public static List<AblationRecipe> all() {
        return List.of(
                new AblationRecipe("fp32", Recipe.BF16, Rounding.TO_NEAREST),
                step("W4A4, to nearest, per channel and token", 0, 0, 1, Rounding.TO_NEAREST),
                step("+ groups of 128", 128, 0, 1, Rounding.TO_NEAREST),
                step("+ 128 outlier channels in INT8", 128, 128, 1, Rounding.TO_NEAREST),
                step("+ clipping", 128, 128, 0.9f, ATOMS_CLIP),
                step("+ GPTQ", 128, 128, 0.9f, Rounding.ATOM),
                new AblationRecipe("+ INT4 KV = atom", Recipe.ATOM, Rounding.ATOM),
                rotated("rotated, to nearest", 1, Rounding.TO_NEAREST),
                rotated("rotated, + clipping", Recipe.W4A4.activationClip(), SEARCHED),
                rotated("rotated, + GPTQ", Recipe.W4A4.activationClip(), Rounding.BEST),
                new AblationRecipe(
                        "rotated, + INT4 KV, rotated = w4a4", Recipe.W4A4, Rounding.BEST),
                new AblationRecipe(
                        "rotated, 8-bit activations = w4a8", Recipe.W4A8, Rounding.BEST));
    }

    private static AblationRecipe step(
            String label, int group, int outliers, float clip, Rounding rounding) {
        return new AblationRecipe(
                label,
                new Recipe("ablation", true, group, outliers, 4, clip, false, KvFormat.FLOAT),
                rounding);
    }

    private static AblationRecipe rotated(String label, float clip, Rounding rounding) {
        return new AblationRecipe(
                label,
                new Recipe("ablation", true, 128, 128, 4, clip, true, KvFormat.FLOAT),
                rounding);
    }

    /**
     * The checkpoint by this recipe, quantized as its layers are asked for.
     *
     * @param text for the calibration
     * @param progress gets the share that is quantized
     */
    public WeightSource weights(
            Path directory,
            Checkpoint checkpoint,
            Path text,
            Kernels kernels,
            Matrices matrices,
            DoubleConsumer progress)
            throws IOException {
        if (!recipe.quantized()) {
            return checkpoint;
        }
        ModelConfig config = checkpoint.config();
        List<int[]> windows =
                TokenWindows.of(
                        directory,
                        config,
                        Files.readAllBytes(text),
                        ModelImport.CALIBRATION_TOKENS);
        return new QuantizedWeights(
                checkpoint, recipe, rounding, windows, kernels, matrices, progress);
    }
}
