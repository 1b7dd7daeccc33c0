package dev.aril.commands;

import dev.aril.engine.measure.Benchmark;
import dev.aril.engine.measure.Benchmark.Row;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.LocalDate;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.json.JsonMapper;

/** {@code bench}: tokens per second of one and of sixteen streams, beside the plain loops. */
@Command(
        name = "bench",
        description = {
            "Prints tokens/s for 1 and 16 streams that take the demonstration's adapters and the",
            "base in turn, and the ratio to the plain-loop reference in the same run."
        })
public final class Bench implements Callable<Integer> {
    @Parameters(paramLabel = "MODEL", arity = "0..1", description = "default: novella-11m")
    private String model = "novella-11m";

    @Option(names = "--json", description = "print the rows as JSON lines")
    private boolean json;

    @Option(names = "--record", description = "append the rows to bench/results/cpu.jsonl")
    private boolean record;

    @Override
    public Integer call() throws Exception {
        Installation here = Installation.here();
        List<Row> rows = Benchmark.run(here.model(model), here.adapters(), System.err::println);
        StringBuilder lines = new StringBuilder();
        for (Row row : rows) {
            lines.append(JsonMapper.shared().writeValueAsString(line(row, here.home())))
                    .append('\n');
        }
        if (json) {
            System.out.print(lines);
        } else {
            print(rows);
        }
        if (record) {
            Path file = here.home().resolve("bench/results/cpu.jsonl");
            Files.createDirectories(file.resolveSibling(""));
            Files.writeString(file, lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
        return 0;
    }

    private Map<String, Object> line(Row row, Path home) throws IOException {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("date", LocalDate.now(java.time.ZoneOffset.UTC).toString());
        line.put("commit", commit(home));
        line.put("model", model);
        line.put("cores", Runtime.getRuntime().availableProcessors());
        line.put("device", row.device());
        line.put("streams", row.streams());
        line.put("adapters", row.adapters());
        line.put("prompt_tokens", row.promptTokens());
        line.put("new_tokens", row.newTokens());
        line.put("tokens_per_second", Math.round(row.tokensPerSecond() * 10) / 10.0);
        return line;
    }

    /** The commit that was built, as git knows it; "unknown" outside a clone. */
    private static String commit(Path home) throws IOException {
        try {
            Process git =
                    new ProcessBuilder("git", "describe", "--always", "--dirty")
                            .directory(home.toFile())
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start();
            String out =
                    new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            return git.waitFor() == 0 ? out : "unknown";
        } catch (IOException e) {
            return "unknown"; // no git here
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private static void print(List<Row> rows) {
        double single = 0;
        for (int i = 0; i < rows.size(); i += 2) {
            Row fast = rows.get(i);
            Row slow = rows.get(i + 1);
            System.out.printf(
                    Locale.ROOT,
                    "%2d stream%s %8.1f tokens/s   plain loops %6.1f tokens/s   %.1f times%n",
                    fast.streams(),
                    fast.streams() == 1 ? " " : "s",
                    fast.tokensPerSecond(),
                    slow.tokensPerSecond(),
                    fast.tokensPerSecond() / slow.tokensPerSecond());
            if (fast.streams() == 1) {
                single = fast.tokensPerSecond();
            } else {
                System.out.printf(
                        Locale.ROOT,
                        "%d streams give %.1f times the tokens/s of one%n",
                        fast.streams(),
                        fast.tokensPerSecond() / single);
            }
        }
    }
}
