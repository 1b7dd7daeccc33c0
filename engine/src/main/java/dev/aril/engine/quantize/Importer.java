package dev.aril.engine.quantize;

import dev.aril.engine.Progress;
import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.model.Checkpoint;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.model.ModelFiles.Calibrated;
import dev.aril.engine.model.Recipe;
import dev.aril.engine.model.Sha256;
import dev.aril.engine.text.ChatTemplate;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/** Calibrates, quantizes, writes. */
public final class Importer {
    private static final String UNFINISHED = ".importing-";

    private Importer() {}

    /** See {@link dev.aril.engine.ModelImport#run}. */
    public static void run(
            Path checkpoint,
            Path calibration,
            String recipeName,
            Path target,
            int tokens,
            Progress progress)
            throws IOException {
        Recipe recipe = Recipe.named(recipeName);
        boolean again = Files.exists(target);
        if (again && !ModelFiles.outdated(target)) {
            return;
        }
        if (again) {
            progress.line(target.getFileName() + " has an older format and is imported again");
        }
        Path parent = target.toAbsolutePath().resolveSibling(".").normalize();
        Files.createDirectories(parent);
        removeUnfinished(parent, target.getFileName() + UNFINISHED);
        Path unfinished = Files.createTempDirectory(parent, target.getFileName() + UNFINISHED);
        try (Checkpoint source = Checkpoint.open(checkpoint)) {
            check(source.config(), recipe);
            if (Files.exists(checkpoint.resolve("tokenizer_config.json"))) {
                // told before the work: a model whose template cannot be rendered would not start
                ChatTemplate.open(checkpoint);
            }
            needRoom(parent, ModelFiles.bytes(source.config(), recipe));
            String name = String.valueOf(checkpoint.toAbsolutePath().normalize().getFileName());
            progress.line("importing " + name + " by the recipe " + recipe.name());
            write(unfinished, checkpoint, source, calibration, recipe, tokens, progress);
            if (again) {
                // what is left of it goes with the next import, should this one end here
                Path old = parent.resolve(target.getFileName() + UNFINISHED + "outdated");
                Files.move(target, old, StandardCopyOption.ATOMIC_MOVE);
                Files.move(unfinished, target, StandardCopyOption.ATOMIC_MOVE);
                delete(old);
            } else {
                Files.move(unfinished, target, StandardCopyOption.ATOMIC_MOVE);
            }
            try (FileChannel folder = FileChannel.open(parent, StandardOpenOption.READ)) {
                folder.force(true);
            }
            progress.line("imported " + name + " as " + target.getFileName());
        } finally {
            delete(unfinished);
        }
    }

    private static void write(
            Path to,
            Path checkpoint,
            Checkpoint source,
            Path calibration,
            Recipe recipe,
            int tokens,
            Progress progress)
            throws IOException {
        String name = String.valueOf(checkpoint.toAbsolutePath().normalize().getFileName());
        long now = Instant.now().getEpochSecond();
        try {
            if (!recipe.quantized()) {
                ModelFiles.write(to, name, now, checkpoint, source, null);
                return;
            }
            byte[] text = Files.readAllBytes(calibration);
            List<int[]> windows = TokenWindows.of(checkpoint, source.config(), text, tokens);
            int read = windows.stream().mapToInt(w -> w.length).sum();
            try (Workbench bench = Workbench.open(null, source.config(), recipe)) {
                progress.line("calibrating on " + read + " tokens, " + bench.kernels().device());
                QuantizedWeights weights =
                        new QuantizedWeights(
                                source,
                                recipe,
                                Rounding.of(recipe.name()),
                                windows,
                                bench.kernels(),
                                bench.matrices(),
                                share -> progress.share("quantizing", share));
                Calibrated what = new Calibrated(Sha256.of(text), read);
                ModelFiles.write(to, name, now, checkpoint, weights, what);
            }
        } catch (UncheckedIOException e) {
            // of what was being written; the checkpoint is mapped
            throw new IOException(
                    "the model could not be written to "
                            + to.toAbsolutePath().getParent()
                            + ": "
                            + Objects.requireNonNull(e.getCause()).getMessage()
                            + "; nothing of it is kept",
                    e);
        }
    }

    /** Told before hours of work, where the file system knows. */
    private static void needRoom(Path folder, long bytes) throws IOException {
        long free = Files.getFileStore(folder).getUsableSpace();
        if (free < bytes) {
            throw new IOException(
                    "the model takes "
                            + bytes
                            + " bytes and "
                            + folder
                            + " has "
                            + free
                            + " left: free some, or set ARIL_DATA to another disk");
        }
    }

    /** The kernels' requirements, told before anything is computed. */
    private static void check(ModelConfig config, Recipe recipe) {
        int unit = recipe.quantized() ? recipe.group() : 64;
        multiple("hidden_size", config.hidden(), unit);
        multiple("intermediate_size", config.intermediate(), unit);
        multiple("num_attention_heads * head_dim", config.queryWidth(), unit);
        if (recipe.quantized()) {
            int least = recipe.group() + recipe.outliers();
            if (Math.min(config.hidden(), config.intermediate()) < least) {
                throw new UnsupportedCheckpoint(
                        "hidden_size and intermediate_size must be at least "
                                + least
                                + " for "
                                + recipe.name());
            }
        }
    }

    private static void multiple(String field, int value, int unit) {
        if (value % unit != 0) {
            throw new UnsupportedCheckpoint(
                    field + " must be a multiple of " + unit + ", not " + value);
        }
    }

    private static void removeUnfinished(Path parent, String prefix) throws IOException {
        try (DirectoryStream<Path> stale = Files.newDirectoryStream(parent, prefix + "*")) {
            for (Path path : stale) {
                delete(path);
            }
        }
    }

    private static void delete(Path directory) throws IOException {
        if (!Files.exists(directory)) {
            return;
        }
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
