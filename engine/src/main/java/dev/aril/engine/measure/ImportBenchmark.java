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
 * How long an import of a model's shape takes. A program of its own, because it needs the disk that
 * a checkpoint of the shape takes.
 */
public final class ImportBenchmark {
    private static final long MIB = 1 << 20;

    private ImportBenchmark() {}

    /**
     * Makes a checkpoint of random weights, if it is not there, and imports it.
     *
     * @param arguments the shape; how many of its layers, 0 for all; the recipe; tokens to
     *     calibrate on; a checkpoint whose tokenizer is taken; a text to calibrate on; the folder
     *     to write to
     */
    public static void main(String... arguments) throws IOException {
        if (arguments.length != 7) {
            throw new IllegalArgumentException(
                    "ImportBenchmark SHAPE LAYERS RECIPE TOKENS TOKENIZER TEXT FOLDER");
        }
        Shape shape = Shape.named(arguments[0]);
        int asked = Integer.parseInt(arguments[1]);
        int layers = asked > 0 ? asked : shape.config().layers();
        Path folder = Path.of(arguments[6]);
        Path checkpoint = folder.resolve(shape.label() + "-" + layers);
        long begin = System.nanoTime();
        if (!Files.exists(checkpoint)) {
            RandomCheckpoint.write(shape, layers, Path.of(arguments[4]), checkpoint);
            say("checkpoint of %d layers: %.1f s", layers, seconds(begin));
        }
        Heard heard = new Heard();
        ModelImport.run(
                checkpoint,
                Path.of(arguments[5]),
                arguments[2],
                folder.resolve(checkpoint.getFileName() + "-" + arguments[2]),
                Integer.parseInt(arguments[3]),
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
