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
        description = {
            "Imports a Hugging Face model directory, layer by layer. The model is whole or absent:",
            "what an interrupted import has written is removed by the next."
        },
        mixinStandardHelpOptions = true)
public final class Import implements Callable<Integer> {
    @Parameters(
            paramLabel = "DIR_OR_NAME",
            description = "with config.json and safetensors, or its name under models/")
    private String checkpoint = "";

    @Option(
            names = "--recipe",
            description = {
                "w4a4: 4-bit weights and activations; w4a8: 8-bit activations; atom: the paper's",
                "w4a4, on the CPU; bf16: the control (default: ${DEFAULT-VALUE})"
            })
    private String recipe = "w4a4";

    @Option(names = "--calibration", description = "a text; default: the bundled one")
    private @Nullable Path calibration;

    @Option(
            names = "--calibration-tokens",
            description = "tokens of it that are read, at most (default: ${DEFAULT-VALUE})")
    private int tokens = ModelImport.CALIBRATION_TOKENS;

    @Option(names = "--name", description = "default: the directory's, with -RECIPE unless w4a4")
    private @Nullable String name;

    @Override
    public Integer call() throws Exception {
        Installation here = Installation.here();
        Path directory = here.checkpoint(checkpoint);
        String called = name == null ? ModelImport.name(directory, recipe) : name;
        if (!called.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")) {
            throw new IllegalArgumentException(
                    "--name must be 1 to 64 letters, digits, dots, dashes or underscores, not \""
                            + called
                            + "\"");
        }
        if (tokens < 64) {
            throw new IllegalArgumentException(
                    "--calibration-tokens must be at least 64, not " + tokens);
        }
        Path text = calibration == null ? here.calibration() : calibration;
        if (!Files.isReadable(text)) {
            throw new IllegalArgumentException("--calibration: there is no text " + text);
        }
        Path target = here.data().resolve("models").resolve(called);
        ProgressBar progress = ProgressBar.onError();
        boolean there = Files.exists(target);
        ModelImport.run(directory, text, recipe, target, tokens, progress);
        if (there) {
            System.err.println(called + " is imported: " + target);
        }
        System.out.println(target);
        return 0;
    }
}
