package dev.aril.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.aril.engine.ModelImport;
import dev.aril.engine.Progress;
import dev.aril.engine.model.ModelFiles;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Imports that end early, in a process of their own: nothing of a model is left. */
class InterruptedImportTest {
    private static final Path MODEL = Path.of("../models/novella-11m");

    @TempDir Path folder;
    private Path calibration = Path.of("");
    private Path target = Path.of("");

    @BeforeEach
    void makeText() throws IOException {
        calibration = folder.resolve("text");
        String text = Files.readString(MODEL.resolve("text/calibration.txt"));
        Files.writeString(calibration, text.substring(0, 3_000));
        target = folder.resolve("models/novella");
    }

    /** The import that the tests run, and end. */
    static final class Child {
        private Child() {}

        public static void main(String... arguments) {
            try {
                ModelImport.run(
                        MODEL,
                        Path.of(arguments[0]),
                        arguments[1],
                        Path.of(arguments[2]),
                        512,
                        Progress.lines(System.out::println));
            } catch (IOException e) {
                System.out.println("failed: " + e.getMessage());
            }
        }
    }

    /**
     * @param limit blocks of 512 bytes that a file may have; 0 for any number
     */
    private Process start(String recipe, int limit) throws IOException {
        List<String> command = new ArrayList<>();
        command.addAll(
                List.of(
                        "sh",
                        "-c",
                        (limit > 0 ? "ulimit -f " + limit + "; " : "") + "exec \"$@\""));
        command.add("sh");
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:-UsePerfData",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Child.class.getName(),
                        calibration.toString(),
                        recipe,
                        target.toString()));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    private List<Path> left() throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve("models"))) {
            return files.toList();
        }
    }

    /** A disk that takes no more is a line that says so, and what was written is gone. */
    @Test
    void aFullDiskIsToldAndLeavesNothing() throws Exception {
        assumeThat(System.getProperty("os.name")).isEqualTo("Linux");
        for (String recipe : List.of("bf16", "w4a4")) {
            // 8 MB: the embedding fits, the layers do not
            Process child = start(recipe, recipe.equals("bf16") ? 16_000 : 8_000);
            String said = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(child.waitFor()).as(said).isZero();
            assertThat(said)
                    .contains("failed: the model could not be written to ")
                    .contains("File too large; nothing of it is kept");
            assertThat(left()).isEmpty();
        }
    }

    /** What a killed import has written is no model, and goes with the next import. */
    @Test
    void aKilledImportLeavesNoModel() throws Exception {
        Process child = start("w4a4", 0);
        try (BufferedReader said = child.inputReader()) {
            String line = said.readLine();
            while (line != null && !line.startsWith("quantizing: ")) {
                line = said.readLine();
            }
            assertThat(line).isNotNull();
            child.destroyForcibly().waitFor();
        }
        assertThat(Files.exists(target)).isFalse();
        assertThat(left()).hasSize(1);
        ModelImport.run(MODEL, calibration, "bf16", target, line -> {});
        ModelFiles.open(target).close();
        assertThat(left()).containsExactly(target);
    }
}
