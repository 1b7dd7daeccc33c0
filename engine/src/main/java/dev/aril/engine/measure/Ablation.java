package dev.aril.engine.measure;

import dev.aril.engine.Progress;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.CpuMatrices;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Matrices;
import dev.aril.engine.model.Checkpoint;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.WeightSource;
import dev.aril.engine.quantize.AblationRecipe;
import dev.aril.engine.text.TextFile;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** What each part of a recipe is worth: a checkpoint's perplexity by each step on the way to it. */
public final class Ablation {
    private Ablation() {}

    /**
     * @param perplexities of the texts
     */
    public record Line(String label, List<Perplexity> perplexities) {}

    /** As the other, with all recipes. */
    public static void run(
            Path checkpoint,
            Path calibration,
            List<Path> texts,
            Progress progress,
            Consumer<Line> lines)
            throws IOException {
        run(checkpoint, calibration, AblationRecipe.all(), texts, progress, lines);
    }

    /**
     * Quantizes the checkpoint anew for each line, in memory, on the CPU.
     *
     * @param texts UTF-8
     * @param lines gets each line when it is there
     */
    public static void run(
            Path checkpoint,
            Path calibration,
            List<AblationRecipe> recipes,
            List<Path> texts,
            Progress progress,
            Consumer<Line> lines)
            throws IOException {
        for (AblationRecipe recipe : recipes) {
            lines.accept(line(checkpoint, calibration, recipe, texts, progress));
        }
    }

    private static Line line(
            Path directory,
            Path calibration,
            AblationRecipe recipe,
            List<Path> texts,
            Progress progress)
            throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(directory);
                Tokenizer tokenizer = Tokenizer.open(directory);
                Kernels kernels = new CpuKernels(0);
                Matrices matrices = new CpuMatrices(0)) {
            WeightSource weights =
                    recipe.weights(
                            directory,
                            checkpoint,
                            calibration,
                            kernels,
                            matrices,
                            share -> progress.share(recipe.label() + ": quantizing", share));
            List<Perplexity> perplexities = new ArrayList<>();
            Forward forward = new Forward(weights, kernels, Scorer.CHUNK, 0);
            for (Path text : texts) {
                String what = recipe.label() + ": " + text.getFileName();
                perplexities.add(
                        Perplexity.of(
                                forward,
                                null,
                                tokenizer,
                                TextFile.read(text),
                                share -> progress.share(what, share)));
            }
            return new Line(recipe.label(), perplexities);
        }
    }
}
