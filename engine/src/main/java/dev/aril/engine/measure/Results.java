package dev.aril.engine.measure;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The recorded measurements: JSON lines, a file for each kind of device, only ever appended to.
 *
 * @param folder {@code bench/results}
 */
record Results(Path folder) {
    /** The file of a device: {@code h200.jsonl} of an {@code NVIDIA H200}. */
    static String file(String device) {
        if (device.equals("reference")) {
            return "cpu.jsonl"; // the plain loops are measured beside the CPU
        }
        String name =
                device.toLowerCase(Locale.ROOT)
                        .replace("nvidia", "")
                        .replaceAll("[^a-z0-9]+", "-")
                        .replaceAll("^-|-$", "");
        return (name.isEmpty() ? "unknown" : name) + ".jsonl";
    }

    void append(Row row) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(
                folder.resolve(file(row.text("device"))),
                row.json() + "\n",
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND);
    }

    /**
     * All rows, by file in the order of their names.
     *
     * @throws IOException naming the file and line that is no measurement
     */
    Map<String, List<Row>> read() throws IOException {
        Map<String, List<Row>> all = new LinkedHashMap<>();
        if (!Files.isDirectory(folder)) {
            return all;
        }
        List<Path> files;
        try (Stream<Path> found = Files.list(folder)) {
            files = found.filter(f -> f.toString().endsWith(".jsonl")).sorted().toList();
        }
        for (Path file : files) {
            List<Row> rows = new ArrayList<>();
            for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
                if (!line.isBlank()) {
                    rows.add(parse(file, rows.size() + 1, line));
                }
            }
            all.put(String.valueOf(file.getFileName()), rows);
        }
        return all;
    }

    private static Row parse(Path file, int line, String text) throws IOException {
        try {
            return Row.parse(text);
        } catch (IllegalArgumentException e) {
            throw new IOException(file.getFileName() + ", line " + line + ": not a JSON object", e);
        }
    }
}
