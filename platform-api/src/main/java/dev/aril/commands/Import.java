package dev.aril.commands;

import dev.aril.engine.ModelImport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code import}: a Hugging Face checkpoint becomes an Aril model in the data folder. */
@Command(
        name = "import",
        description = "Imports a Hugging Face model directory.",
        mixinStandardHelpOptions = true)
public final class Import implements Callable<Integer> {
    @Parameters(paramLabel = "DIRECTORY", description = "with config.json and model.safetensors")
    private Path checkpoint = Path.of("");

    @Option(names = "--recipe", description = "w4a4 or bf16 (default: ${DEFAULT-VALUE})")
    private String recipe = "w4a4";

    @Option(names = "--calibration", description = "a text; default: the bundled one")
    private @Nullable Path calibration;

    @Option(names = "--name", description = "default: the directory's, with -RECIPE unless w4a4")
    private @Nullable String name;

    @Override
    public Integer call() throws Exception {
        Installation here = Installation.here();
        String called = name == null ? ModelImport.name(checkpoint, recipe) : name;
        if (!called.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")) {
            throw new IllegalArgumentException(
                    "--name must be 1 to 64 letters, digits, dots, dashes or underscores, not \""
                            + called
                            + "\"");
        }
        Path target = here.data().resolve("models").resolve(called);
        if (Files.exists(target)) {
            System.err.println(called + " is imported already: " + target);
            return 0;
        }
        ModelImport.run(
                checkpoint,
                calibration == null ? here.calibration() : calibration,
                recipe,
                target,
                System.err::println);
        System.out.println(target);
        return 0;
    }
}
