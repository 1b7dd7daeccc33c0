package dev.aril.engine.measure;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The same work by PyTorch in bf16, measured by {@code bench/torch_baseline.py} in the same run.
 *
 * @param rows none where it did not run
 */
record TorchBaseline(List<Row> rows) {
    static final TorchBaseline NONE = new TorchBaseline(List.of());

    private static final String PROBE =
            """
            import sys
            try:
                import torch
            except ImportError:
                sys.exit("python3 has no torch")
            if not torch.cuda.is_available():
                sys.exit("torch finds no GPU")
            """;

    TorchBaseline {
        rows = List.copyOf(rows);
    }

    /** Why it cannot run here; null if it can. */
    static @Nullable String missing() throws IOException {
        Process probe;
        try {
            probe = new ProcessBuilder("python3", "-c", PROBE).redirectErrorStream(true).start();
        } catch (IOException e) {
            return "there is no python3";
        }
        probe.getOutputStream().close();
        String said =
                new String(probe.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        if (await(probe) == 0) {
            return null;
        }
        return said.substring(said.lastIndexOf('\n') + 1);
    }

    /**
     * @param parts of the script, for example gemm
     * @param progress gets a line for each measurement
     * @throws IOException if the script fails, with what it said last
     */
    static TorchBaseline run(Path script, List<String> parts, Consumer<String> progress)
            throws IOException {
        Process python =
                new ProcessBuilder("python3", script.toString(), "--only", String.join(",", parts))
                        .redirectErrorStream(true)
                        .start();
        python.getOutputStream().close();
        List<Row> rows = new ArrayList<>();
        String last = "";
        try (BufferedReader lines =
                new BufferedReader(
                        new InputStreamReader(python.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith("{")) {
                    rows.add(Row.parse(line));
                    progress.accept("torch: " + line);
                } else if (!line.isBlank()) {
                    last = line; // a warning, or the end of a stack trace
                }
            }
        } finally {
            python.destroy();
        }
        if (await(python) != 0) {
            throw new IOException(script.getFileName() + " failed: " + last);
        }
        return new TorchBaseline(rows);
    }

    private static int await(Process process) throws IOException {
        try {
            return process.waitFor();
        } catch (InterruptedException e) {
            process.destroy();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    /** Its time for the same work; null where it did not measure that. */
    @Nullable Double microseconds(String bench, Map<String, ?> same) {
        return find(bench, same, "us");
    }

    /** INT8 operations a second of a large matrix product; infinite where it did not run. */
    double opsPerSecond() {
        Double reached = find("peak", Map.of("dtype", "int8"), "tera_ops_per_s");
        return reached == null ? Double.POSITIVE_INFINITY : reached * 1e12;
    }

    private @Nullable Double find(String bench, Map<String, ?> same, String value) {
        for (Row row : rows) {
            if (row.bench().equals(bench)
                    && same.entrySet().stream()
                            .allMatch(e -> row.text(e.getKey()).equals(e.getValue().toString()))) {
                return row.number(value);
            }
        }
        return null;
    }

    /** A row with torch's time beside its own, and how many times faster it is. */
    Row beside(Row row, String bench, Map<String, ?> same) {
        Double theirs = microseconds(bench, same);
        Double ours = row.number("us");
        return theirs == null || ours == null
                ? row
                : row.with("torch_us", theirs).with("times_torch", theirs / ours);
    }
}
