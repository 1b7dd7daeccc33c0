package dev.aril.commands;

import dev.aril.engine.ModelImport;
import dev.aril.engine.measure.ImportBenchmark;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bench-import}: what importing a model of a given size takes, without its weights. */
@Command(
        name = "bench-import",
        description = {
            "Makes a checkpoint of random weights in a model's shape, sharded as the hub has it, and",
            "imports it: how long that takes and how much of the heap. The files stay in FOLDER."
        },
        mixinStandardHelpOptions = true)
public final class BenchImport implements Callable<Integer> {
    @Parameters(
            paramLabel = "SHAPE",
            description = "a shape that ./aril bench --help lists, for example llama-3.2-1b")
    private String shape = "";

    @Parameters(paramLabel = "FOLDER", description = "where checkpoint and model are written")
    private Path folder = Path.of(".");

    @Option(names = "--layers", description = "of the shape's; 0 for all (default)")
    private int layers;

    @Option(names = "--recipe", description = "as import takes it (default: ${DEFAULT-VALUE})")
    private String recipe = "w4a4";

    @Option(
            names = "--calibration-tokens",
            description = "tokens that are read, at most (default: ${DEFAULT-VALUE})")
    private int tokens = ModelImport.CALIBRATION_TOKENS;

    @Override
    public Integer call() throws Exception {
        if (layers < 0 || tokens < 64) {
            throw new IllegalArgumentException(
                    "--layers must be at least 0 and --calibration-tokens at least 64");
        }
        Installation here = Installation.here();
        ImportBenchmark.run(
                shape, layers, recipe, tokens, here.checkpoint(), here.calibration(), folder);
        return 0;
    }
}
