package dev.aril.commands;

import dev.aril.engine.measure.Benchmark;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * {@code bench}: how fast this machine is. The engine reads the arguments, because the benchmark
 * also runs without the rest of the program.
 */
@Command(
        name = "bench",
        description = {
            "Measures kernels, decode steps, prompts and served workloads, with --baseline beside",
            "PyTorch; ./aril bench --help lists what can be asked."
        })
public final class Bench implements Callable<Integer> {
    @Parameters(paramLabel = "ARGUMENT", arity = "0..*")
    private List<String> arguments = List.of();

    /** No flag is read here: all are handed on. */
    @Spec
    void passFlags(CommandSpec spec) {
        spec.parser().unmatchedOptionsArePositionalParams(true);
    }

    @Override
    public Integer call() throws Exception {
        Installation here = Installation.here();
        Benchmark.run(
                arguments,
                new Benchmark.Place(
                        here.home(), here::model, here.adapters(), System.out, System.err));
        return 0;
    }
}
