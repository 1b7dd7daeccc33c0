package dev.aril.engine.measure;

import dev.aril.engine.ModelImport;
import dev.aril.engine.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * How long an import of a model's shape takes; needs the disk that a checkpoint of the shape takes.
 */
public final class ImportBenchmark {
    private static final long MIB = 1 << 20;

    private ImportBenchmark() {}

    /**
     * As {@link #run}, for where the rest of the program is not.
     *
     * @param arguments shape, layers, recipe, tokens, tokenizer, text, folder
     */
    public static void main(String... arguments) throws IOException {
        if (arguments.length != 7) {
            throw new IllegalArgumentException(
                    "ImportBenchmark SHAPE LAYERS RECIPE TOKENS TOKENIZER TEXT FOLDER");
        }
        run(
                arguments[0],
                Integer.parseInt(arguments[1]),
                arguments[2],
                Integer.parseInt(arguments[3]),
                Path.of(arguments[4]),
                Path.of(arguments[5]),
                Path.of(arguments[6]));
    }

    /**
     * Makes a checkpoint of random weights, if it is not there, and imports it.
     *
     * @param shapeName one of {@link Shape}'s
     * @param asked how many of its layers, 0 for all
     * @param tokens to calibrate on
     * @param tokenizer a checkpoint whose tokenizer is taken
     * @param text to calibrate on
     * @param folder to write to
     */
    public static void run(
            String shapeName,
            int asked,
            String recipe,
            int tokens,
            Path tokenizer,
            Path text,
            Path folder)
            throws IOException {
        Shape shape = Shape.named(shapeName);
        int layers = asked > 0 ? asked : shape.config().layers();
        Path checkpoint = folder.resolve(shape.label() + "-" + layers);
        long begin = System.nanoTime();
        if (!Files.exists(checkpoint)) {
            RandomCheckpoint.write(shape, layers, tokenizer, checkpoint);
            say("checkpoint of %d layers: %.1f s", layers, seconds(begin));
        }
        Heard heard = new Heard();
        ModelImport.run(
                checkpoint,
                text,
                recipe,
                folder.resolve(checkpoint.getFileName() + "-" + recipe),
                tokens,
                heard);
        say("import: %.1f s, heap at most %d MiB", seconds(heard.begin), heard.heap / MIB);
    }

    private static double seconds(long begin) {
        return (System.nanoTime() - begin) / 1e9;
    }

    private static void say(String format, Object... values) {
        System.out.printf(Locale.ROOT, format + "%n", values);
    }

    /** Prints what is said, and of a task every twentieth with the time it took. */
    private static final class Heard implements Progress {
        final long begin = System.nanoTime();
        private final Map<String, Integer> told = new TreeMap<>();
        private long heap;

        @Override
        public void line(String text) {
            say("%7.1f s  %s", seconds(begin), text);
        }

        @Override
        public void share(String task, double share) {
            Runtime machine = Runtime.getRuntime();
            heap = Math.max(heap, machine.totalMemory() - machine.freeMemory());
            int step = (int) (20 * share);
            Integer before = told.put(task, step);
            if (before == null || before != step) {
                say("%7.1f s  %s: %.0f %%", seconds(begin), task, 100 * share);
            }
        }
    }
}
