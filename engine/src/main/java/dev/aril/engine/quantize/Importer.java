package dev.aril.engine.quantize;

import dev.aril.engine.Device;
import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.model.Checkpoint;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.model.ModelFiles.Calibrated;
import dev.aril.engine.model.Recipe;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Calibrates, quantizes, writes. */
public final class Importer {
    /** Calibration reads at most this many ids. */
    private static final int MAX_CALIBRATION_TOKENS = 32_768;

    private static final String UNFINISHED = ".importing-";

    private Importer() {}

    /** See {@link dev.aril.engine.ModelImport#run}. */
    public static void run(
            Path checkpoint,
            Path calibration,
            String recipeName,
            Path target,
            Consumer<String> progress)
            throws IOException {
        run(checkpoint, calibration, recipeName, target, null, progress);
    }

    /**
     * The same.
     *
     * @param device what computes; null takes a GPU if there is one
     */
    static void run(
            Path checkpoint,
            Path calibration,
            String recipeName,
            Path target,
            @Nullable Device device,
            Consumer<String> progress)
            throws IOException {
        Recipe recipe = Recipe.named(recipeName);
        boolean again = Files.exists(target);
        if (again && !ModelFiles.outdated(target)) {
            return;
        }
        if (again) {
            progress.accept(target.getFileName() + " has an older format and is imported again");
        }
        Path parent = target.toAbsolutePath().resolveSibling(".").normalize();
        Files.createDirectories(parent);
        removeUnfinished(parent, target.getFileName() + UNFINISHED);
        Path unfinished = Files.createTempDirectory(parent, target.getFileName() + UNFINISHED);
        try (Checkpoint source = Checkpoint.open(checkpoint)) {
            check(source.config(), recipe);
            String name = String.valueOf(checkpoint.toAbsolutePath().normalize().getFileName());
            progress.accept("importing " + name + " by the recipe " + recipe.name());
            long now = Instant.now().getEpochSecond();
            if (recipe.quantized()) {
                byte[] text = Files.readAllBytes(calibration);
                List<int[]> windows = windows(checkpoint, source.config(), text);
                int tokens = windows.stream().mapToInt(w -> w.length).sum();
                try (Workbench bench = Workbench.open(device, source.config(), recipe)) {
                    ModelFiles.write(
                            unfinished,
                            name,
                            now,
                            checkpoint,
                            new QuantizedWeights(
                                    source,
                                    recipe,
                                    Rounding.of(recipe.name()),
                                    windows,
                                    bench.kernels(),
                                    bench.matrices(),
                                    share -> progress.accept("quantized: " + share)),
                            new Calibrated(sha256(text), tokens));
                }
            } else {
                ModelFiles.write(unfinished, name, now, checkpoint, source, null);
            }
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
            progress.accept("imported " + name + " as " + target.getFileName());
        } finally {
            delete(unfinished);
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

    /** A calibration text's first ids, in windows. */
    static List<int[]> windows(Path checkpoint, ModelConfig config, byte[] text)
            throws IOException {
        int[] ids;
        try (Tokenizer tokenizer = Tokenizer.open(checkpoint)) {
            ids = tokenizer.encode(new String(text, java.nio.charset.StandardCharsets.UTF_8));
        }
        ids = Arrays.copyOf(ids, Math.min(ids.length, MAX_CALIBRATION_TOKENS));
        return cut(ids, config.bosId(), Math.min(config.contextLength(), 2048) - 1);
    }

    /**
     * Consecutive windows of at most length ids, the begin-of-sequence id before each.
     *
     * @param bos -1 if nothing begins a sequence
     */
    public static List<int[]> cut(int[] ids, int bos, int length) {
        List<int[]> windows = new ArrayList<>();
        for (int from = 0; from < ids.length; from += length) {
            int to = Math.min(ids.length, from + length);
            if (to - from >= 64) {
                int[] own = Arrays.copyOfRange(ids, from, to);
                windows.add(
                        bos < 0
                                ? own
                                : IntStream.concat(IntStream.of(bos), IntStream.of(own)).toArray());
            }
        }
        return windows;
    }

    private static String sha256(byte[] text) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java has SHA-256
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
