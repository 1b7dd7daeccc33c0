package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.measure.Benchmark;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The README's figures are the recorded ones: printed, never typed. */
class FiguresTest {
    private static final String BEGIN =
            "<!-- figures: printed by ./aril bench --table, checked by FiguresTest -->\n";
    private static final String END = "<!-- end of figures -->";

    @Test
    void theReadmeHoldsWhatTheCommandPrints() throws Exception {
        String readme = Files.readString(Installation.HOME.resolve("README.md"));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        PrintStream print = new PrintStream(out, true, StandardCharsets.UTF_8);

        Benchmark.run(
                List.of("--table"),
                new Benchmark.Place(
                        Installation.HOME, name -> Path.of(name), List.of(), print, System.err));

        assertThat(readme).contains(BEGIN, END);
        String figures = readme.substring(readme.indexOf(BEGIN) + BEGIN.length());
        assertThat(figures.substring(0, figures.indexOf(END)).strip())
                .as("paste what ./aril bench --table prints between the marks")
                .isEqualTo(out.toString(StandardCharsets.UTF_8).strip());
    }
}
