package dev.aril.engine.measure;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Measurements as Markdown: a table for each kind. Of several measurements of the same thing the
 * last counts. What one kind varies most, such as the rows of a matrix product, goes across.
 */
final class FiguresTable {
    /** A column after the ones across: its head, and what a line's rows say there. */
    private record Column(String head, Function<List<Row>, String> cell) {}

    /**
     * A table.
     *
     * @param title with what a cell holds
     * @param benches kinds it shows
     * @param down values that tell its lines apart
     * @param across the value that tells its columns apart, empty for none
     * @param cell what stands under that
     */
    private record Section(
            String title,
            List<String> benches,
            List<String> down,
            String across,
            Function<Row, String> cell,
            List<Column> columns) {}

    private static final List<Section> SECTIONS =
            List.of(
                    new Section(
                            "Streams through the engine's door, tokens/s",
                            List.of("streams"),
                            List.of("model", "cores", "streams"),
                            "device",
                            row -> number(row, "tokens_per_second", 1),
                            List.of(new Column("ratio", FiguresTable::streamsRatio))),
                    new Section(
                            "Decode step, ms, by the adapters of its rows (off: none were loaded)",
                            List.of("decode"),
                            List.of("shape", "context", "b"),
                            "lora",
                            row -> thousandth(row, "us", 2),
                            List.of(
                                    new Column("torch bf16", rows -> first(rows, "torch_us", true)),
                                    new Column(
                                            "times torch",
                                            rows -> first(rows, "times_torch", false)),
                                    new Column("host ms", rows -> first(rows, "host_us", true)))),
                    new Section(
                            "Prompt in one step",
                            List.of("prefill"),
                            List.of("shape", "tokens"),
                            "",
                            row -> "",
                            List.of(
                                    column("ms", row -> thousandth(row, "us", 2)),
                                    column("tokens/s", row -> number(row, "tokens_per_s", 0)),
                                    column("torch bf16", row -> thousandth(row, "torch_us", 2)),
                                    column("times torch", row -> number(row, "times_torch", 2)))),
                    new Section(
                            "Device memory",
                            List.of("memory"),
                            List.of("shape"),
                            "",
                            row -> "",
                            List.of(
                                    column("weights GB", row -> billionth(row, "weight_bytes")),
                                    column(
                                            "embedding GB",
                                            row -> billionth(row, "embedding_bytes")),
                                    column("head GB", row -> billionth(row, "head_bytes")),
                                    column(
                                            "KV bytes a token",
                                            row -> row.text("kv_bytes_per_token")))),
                    new Section(
                            "INT4 matrix product of m rows, µs (times torch bf16)",
                            List.of("gemm"),
                            List.of("n", "k"),
                            "m",
                            FiguresTable::timed,
                            List.of()),
                    new Section(
                            "Decode attention over INT4 pages, µs (times torch SDPA bf16)",
                            List.of("attention"),
                            List.of("kv_heads", "s"),
                            "b",
                            FiguresTable::timed,
                            List.of()),
                    new Section(
                            "Prefill attention, µs (times torch SDPA bf16)",
                            List.of("attention-prefill"),
                            List.of("kv_heads"),
                            "s",
                            FiguresTable::timed,
                            List.of()),
                    new Section(
                            "What adapters add to one projection, µs (times torch gather + bmm)",
                            List.of("lora"),
                            List.of("n", "b", "rank"),
                            "popularity",
                            FiguresTable::timed,
                            List.of()),
                    new Section(
                            "Other operations on m rows, µs (times torch bf16)",
                            List.of("norm", "gate-up", "head"),
                            List.of("bench", "n"),
                            "m",
                            FiguresTable::timed,
                            List.of()),
                    new Section(
                            "Choice of the next ids from m rows' logits, µs",
                            List.of("sample"),
                            List.of("n", "draw"),
                            "m",
                            row -> number(row, "us", 1),
                            List.of()),
                    new Section(
                            "Serving through the engine's door",
                            List.of("serving"),
                            List.of("shape", "arrivals", "prompt", "output", "popularity"),
                            "",
                            row -> "",
                            List.of(
                                    column(
                                            "tokens/s",
                                            row -> number(row, "output_tokens_per_s", 0)),
                                    column(
                                            "first token ms, p50",
                                            row -> number(row, "ttft_p50_ms", 1)),
                                    column("p99", row -> number(row, "ttft_p99_ms", 1)),
                                    column(
                                            "between tokens ms, p50",
                                            row -> number(row, "inter_token_p50_ms", 2)),
                                    column("p99", row -> number(row, "inter_token_p99_ms", 2)),
                                    column(
                                            "device µs a step",
                                            row -> number(row, "step_device_us", 0)),
                                    column("host", row -> number(row, "step_host_us", 0)),
                                    column("steps", row -> row.text("steps")),
                                    column("cold loads", row -> row.text("cold_loads")))));

    private static final List<String> ORDER =
            List.of(
                    "cpu",
                    "reference",
                    "off",
                    Popularity.NONE.label(),
                    Popularity.IDENTICAL.label(),
                    Popularity.UNIFORM.label(),
                    Popularity.SKEWED.label(),
                    Popularity.DISTINCT.label());

    private FiguresTable() {}

    private static Column column(String head, Function<Row, String> cell) {
        return new Column(head, rows -> cell.apply(rows.getFirst()));
    }

    /** All recorded measurements, a heading for each file. */
    static String recorded(Map<String, List<Row>> files) {
        StringBuilder out = new StringBuilder();
        files.forEach((file, rows) -> {
            Set<String> sources = new LinkedHashSet<>();
            for (Row row : latest(rows)) {
                sources.add(row.text("commit") + " of " + row.text("date"));
            }
            out.append("[`bench/results/")
                    .append(file)
                    .append("`](bench/results/")
                    .append(file)
                    .append("), ")
                    .append(String.join(", ", sources))
                    .append(":\n\n")
                    .append(of(rows));
        });
        return out.toString();
    }

    /** A table for each kind there is. */
    static String of(List<Row> rows) {
        StringBuilder out = new StringBuilder();
        for (Section section : SECTIONS) {
            List<Row> shown =
                    latest(rows).stream()
                            .filter(row -> section.benches.contains(row.bench()))
                            .toList();
            if (!shown.isEmpty()) {
                out.append(section.title)
                        .append(":\n\n")
                        .append(table(section, shown))
                        .append('\n');
            }
        }
        return out.toString();
    }

    /** The last of those that measure the same, in the order of their first. */
    private static List<Row> latest(List<Row> rows) {
        Map<List<String>, Row> latest = new LinkedHashMap<>();
        for (Row row : rows) {
            for (Section section : SECTIONS) {
                if (section.benches.contains(row.bench())) {
                    List<String> key = new ArrayList<>(line(section, row));
                    key.add(row.bench());
                    key.add(row.text(section.across));
                    latest.put(key, row);
                }
            }
        }
        return List.copyOf(latest.values());
    }

    private static List<String> line(Section section, Row row) {
        return section.down.stream().map(row::text).toList();
    }

    private static String table(Section section, List<Row> rows) {
        Map<List<String>, List<Row>> lines = new LinkedHashMap<>();
        Set<String> heads = new TreeSet<>(Comparator.comparing(FiguresTable::place));
        for (Row row : rows) {
            lines.computeIfAbsent(line(section, row), key -> new ArrayList<>()).add(row);
            if (!section.across.isEmpty()) {
                heads.add(row.text(section.across));
            }
        }
        // a column that says nothing anywhere is left out: a baseline that did not run
        List<Column> columns =
                section.columns.stream()
                        .filter(c ->
                                lines.values().stream().anyMatch(l -> !c.cell.apply(l).isEmpty()))
                        .toList();
        List<List<String>> cells = new ArrayList<>();
        List<String> head = new ArrayList<>(section.down);
        for (String value : heads) {
            head.add(isName(value) ? value : section.across + "=" + value);
        }
        columns.forEach(column -> head.add(column.head));
        cells.add(head);
        lines.forEach((key, line) -> {
            List<String> cell = new ArrayList<>(key);
            for (String value : heads) {
                cell.add(
                        line.stream()
                                .filter(row -> row.text(section.across).equals(value))
                                .map(section.cell)
                                .findFirst()
                                .orElse(""));
            }
            columns.forEach(column -> cell.add(column.cell.apply(line)));
            cells.add(cell);
        });
        return markdown(cells);
    }

    /** Numbers by their size, then what is known in its order, then the rest by name. */
    private static String place(String head) {
        if (!isName(head)) {
            return String.format(Locale.ROOT, "0 %12s", head);
        }
        int known = ORDER.indexOf(head);
        return (known < 0 ? "2 " : "1 " + (char) ('a' + known) + " ") + head;
    }

    private static boolean isName(String value) {
        return !value.isEmpty() && Character.isLetter(value.charAt(0));
    }

    /** Padded, so that it reads well where it is not rendered too. */
    private static String markdown(List<List<String>> cells) {
        int[] widths = new int[cells.getFirst().size()];
        for (List<String> line : cells) {
            for (int c = 0; c < widths.length; c++) {
                widths[c] = Math.max(widths[c], line.get(c).length());
            }
        }
        StringBuilder out = new StringBuilder();
        for (int l = 0; l < cells.size(); l++) {
            for (int c = 0; c < widths.length; c++) {
                String cell = cells.get(l).get(c);
                out.append("| ").append(cell).append(" ".repeat(widths[c] - cell.length() + 1));
            }
            out.append("|\n");
            if (l == 0) {
                for (int width : widths) {
                    out.append('|').append("-".repeat(width + 2));
                }
                out.append("|\n");
            }
        }
        return out.toString();
    }

    private static String timed(Row row) {
        Double ratio = row.number("times_torch");
        String times = number(row, "times_torch", ratio != null && ratio < 1 ? 2 : 1);
        return number(row, "us", 1) + (times.isEmpty() ? "" : " (" + times + ")");
    }

    private static String number(Row row, String name, int digits) {
        return number(row, name, 1, digits);
    }

    private static String thousandth(Row row, String name, int digits) {
        return number(row, name, 1e-3, digits);
    }

    private static String billionth(Row row, String name) {
        return number(row, name, 1e-9, 2);
    }

    private static String number(Row row, String name, double factor, int digits) {
        Double value = row.number(name);
        return value == null ? "" : String.format(Locale.ROOT, "%." + digits + "f", value * factor);
    }

    /** The value of the line's row without adapters, which is what the baseline computes. */
    private static String first(List<Row> rows, String name, boolean milliseconds) {
        for (Row row : rows) {
            if (row.text("lora").equals(Popularity.NONE.label())) {
                return milliseconds ? thousandth(row, name, 2) : number(row, name, 2);
            }
        }
        return "";
    }

    private static String streamsRatio(List<Row> rows) {
        @Nullable Double fast = null;
        @Nullable Double slow = null;
        for (Row row : rows) {
            Double rate = row.number("tokens_per_second");
            fast = row.text("device").equals("cpu") ? rate : fast;
            slow = row.text("device").equals("reference") ? rate : slow;
        }
        return fast == null || slow == null ? "" : String.format(Locale.ROOT, "%.1f", fast / slow);
    }
}
