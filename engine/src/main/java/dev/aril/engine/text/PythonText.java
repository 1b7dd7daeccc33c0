package dev.aril.engine.text;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Python's string methods where Java's differ: chat templates are written for Python's. */
final class PythonText {
    private PythonText() {}

    /**
     * @param characters to take away; null for whitespace
     */
    static String strip(String text, @Nullable String characters, boolean left, boolean right) {
        int from = 0;
        int to = text.length();
        while (left && from < to && strips(text.charAt(from), characters)) {
            from++;
        }
        while (right && to > from && strips(text.charAt(to - 1), characters)) {
            to--;
        }
        return text.substring(from, to);
    }

    private static boolean strips(char c, @Nullable String characters) {
        return characters == null ? isSpace(c) : characters.indexOf(c) >= 0;
    }

    /** Python's {@code str.isspace}: all of Java's whitespace, and the non-breaking blanks. */
    private static boolean isSpace(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    /**
     * @param separator null for any run of whitespace
     */
    static List<String> split(String text, @Nullable String separator) {
        List<String> parts = new ArrayList<>();
        if (separator != null) {
            if (separator.isEmpty()) {
                throw new IllegalArgumentException("split: the separator is empty");
            }
            int from = 0;
            for (int at = text.indexOf(separator); at >= 0; at = text.indexOf(separator, from)) {
                parts.add(text.substring(from, at));
                from = at + separator.length();
            }
            parts.add(text.substring(from));
            return parts;
        }
        int from = -1;
        for (int i = 0; i <= text.length(); i++) {
            boolean inside = i < text.length() && !isSpace(text.charAt(i));
            if (inside && from < 0) {
                from = i;
            } else if (!inside && from >= 0) {
                parts.add(text.substring(from, i));
                from = -1;
            }
        }
        return parts;
    }
}
