package dev.aril.commands;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** Arguments reach the benchmark as they were written, its flags among them. */
class BenchTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--fast | there is no flag --fast; bench --help lists them",
                "--only=decode --shape gpt-2 | --shape must be some of"
                        + " llama-2-7b,llama-3-8b,llama-3.2-1b,novella-11m, not \"gpt-2\"",
                "novella-11m other --json | one model can be measured at a time, not novella-11m"
                        + " and other",
                "--table --record | --table prints what was recorded and goes with no other"
                        + " argument",
            })
    void badInputIsToldWithItsRemedy(String line, String message) {
        List<String> told = new ArrayList<>();
        CommandLine bench = new CommandLine(new Bench());
        bench.setExecutionExceptionHandler((failure, command, parsed) -> {
            told.add(String.valueOf(failure.getMessage()));
            return 1;
        });

        assertThat(bench.execute(line.strip().split(" "))).isEqualTo(1);
        assertThat(told).containsExactly(message.strip());
    }

    @ParameterizedTest
    @CsvSource({"--help", "-h"})
    void helpIsTheEngines(String flag) {
        assertThat(new CommandLine(new Bench()).execute(flag)).isZero();
    }
}
