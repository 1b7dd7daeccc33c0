package dev.aril.commands;

import dev.aril.engine.ModelImport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Where a command finds models.
 *
 * @param home the installation's folder, which holds {@code models/}
 * @param data the data folder
 */
record Installation(Path home, Path data) {
    private static final String DEMONSTRATION = "novella-11m";

    /** As the launcher and the environment say. */
    static Installation here() {
        String data = System.getenv("ARIL_DATA");
        return new Installation(
                Path.of(System.getProperty("aril.home", ".")).toAbsolutePath().normalize(),
                data == null || data.isBlank()
                        ? Path.of(System.getProperty("user.home"), ".aril")
                        : Path.of(data).toAbsolutePath());
    }

    Path checkpoint() {
        return home.resolve("models").resolve(DEMONSTRATION);
    }

    /**
     * A Hugging Face model's directory, or the name of one under {@code models/} of the
     * installation or the data folder.
     *
     * @throws IllegalArgumentException if there is none
     */
    Path checkpoint(String directoryOrName) {
        List<Path> places =
                List.of(
                        Path.of(directoryOrName),
                        home.resolve("models").resolve(directoryOrName),
                        data.resolve("models").resolve(directoryOrName));
        for (Path place : places) {
            if (Files.exists(place.resolve("config.json"))
                    && !Files.exists(place.resolve("aril.json"))) {
                return place;
            }
        }
        throw new IllegalArgumentException(
                "there is no Hugging Face model \""
                        + directoryOrName
                        + "\": no config.json in "
                        + places.stream()
                                .map(place -> place.toAbsolutePath().normalize().toString())
                                .distinct()
                                .collect(Collectors.joining(", nor in ")));
    }

    Path calibration() {
        return checkpoint().resolve("text/calibration.txt");
    }

    /** The demonstration model's adapters. */
    List<Path> adapters() {
        return List.of("sql", "sherlock", "shakespeare").stream()
                .map(name -> checkpoint().resolve("adapters").resolve(name))
                .toList();
    }

    /**
     * An imported model: a directory, or a name under the data folder. The demonstration model is
     * imported by the recipe its name asks for, if it is not there yet.
     */
    Path model(String nameOrDirectory) throws IOException {
        Path directory = Path.of(nameOrDirectory);
        if (Files.exists(directory.resolve("aril.json"))) {
            return directory;
        }
        Path named = data.resolve("models").resolve(nameOrDirectory);
        for (String recipe : List.of("w4a4", "w4a8", "atom", "bf16")) {
            if (nameOrDirectory.equals(ModelImport.name(checkpoint(), recipe))) {
                ModelImport.run(
                        checkpoint(),
                        calibration(),
                        recipe,
                        named,
                        ModelImport.CALIBRATION_TOKENS,
                        ProgressBar.onError());
            }
        }
        if (!Files.exists(named.resolve("aril.json"))) {
            throw new IllegalArgumentException(
                    "there is no model "
                            + nameOrDirectory
                            + ": give an imported model's directory, or a name under "
                            + data.resolve("models"));
        }
        return named;
    }
}
