package dev.aril.commands;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;

/** Rows of JSON objects as columns of text; numbers stand right. */
final class Table {
    private Table() {}

    static void print(PrintStream out, JsonNode items, String... columns) {
        List<List<String>> rows = new ArrayList<>();
        rows.add(List.of(columns));
        boolean[] numeric = new boolean[columns.length];
        for (JsonNode item : items) {
            List<String> row = new ArrayList<>();
            for (int i = 0; i < columns.length; i++) {
                numeric[i] |= item.path(columns[i]).isNumber();
                row.add(text(item.path(columns[i])));
            }
            rows.add(row);
        }
        int[] widths = new int[columns.length];
        for (List<String> row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        }
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                String pad = " ".repeat(widths[i] - row.get(i).length());
                line.append(numeric[i] ? pad + row.get(i) : row.get(i) + pad).append("  ");
            }
            out.println(line.toString().stripTrailing());
        }
    }

    static String text(JsonNode value) {
        if (value.isNull() || value.isMissingNode()) {
            return "-";
        }
        if (value.isArray()) {
            List<String> all = new ArrayList<>();
            value.forEach(each -> all.add(text(each)));
            return String.join(",", all);
        }
        return value.asString();
    }
}
