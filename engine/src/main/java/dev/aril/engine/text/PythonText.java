package dev.aril.engine.text;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;
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
        while (left && from < to && strips(text.codePointAt(from), characters)) {
            from += Character.charCount(text.codePointAt(from));
        }
        while (right && to > from && strips(text.codePointBefore(to), characters)) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(from, to);
    }

    private static boolean strips(int c, @Nullable String characters) {
        return characters == null ? isSpace(c) : characters.indexOf(c) >= 0;
    }

    /** Python's {@code str.isspace}: all of Java's whitespace, and the non-breaking blanks. */
    static boolean isSpace(int c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    /**
     * @param separator null for any run of whitespace
     * @param most cuts; negative for all
     * @param fromEnd counts the cuts from the end
     */
    static List<String> split(String text, @Nullable String separator, long most, boolean fromEnd) {
        if (separator != null && separator.isEmpty()) {
            throw new TemplateFault("split: the separator is empty");
        }
        long cuts = most < 0 ? Long.MAX_VALUE : most;
        if (separator == null) {
            return fromEnd ? wordsFromEnd(text, cuts) : words(text, cuts);
        }
        List<String> parts = new ArrayList<>();
        if (!fromEnd) {
            int from = 0;
            int at = text.indexOf(separator);
            for (; at >= 0 && parts.size() < cuts; at = text.indexOf(separator, from)) {
                parts.add(text.substring(from, at));
                TemplateLimits.items(parts.size());
                from = at + separator.length();
            }
            parts.add(text.substring(from));
            return parts;
        }
        int to = text.length();
        int length = separator.length();
        int at = text.lastIndexOf(separator);
        for (; at >= 0 && parts.size() < cuts; at = before(text, separator, to)) {
            parts.add(text.substring(at + length, to));
            TemplateLimits.items(parts.size());
            to = at;
        }
        parts.add(text.substring(0, to));
        Collections.reverse(parts);
        return parts;
    }

    private static int before(String text, String separator, int to) {
        return to < separator.length() ? -1 : text.lastIndexOf(separator, to - separator.length());
    }

    private static List<String> words(String text, long cuts) {
        List<String> parts = new ArrayList<>();
        int at = skip(text, 0, true);
        while (at < text.length() && parts.size() < cuts) {
            int end = skip(text, at, false);
            parts.add(text.substring(at, end));
            TemplateLimits.items(parts.size());
            at = skip(text, end, true);
        }
        if (at < text.length()) {
            parts.add(text.substring(at));
        }
        return parts;
    }

    private static int skip(String text, int from, boolean spaces) {
        int at = from;
        while (at < text.length() && isSpace(text.charAt(at)) == spaces) {
            at++;
        }
        return at;
    }

    private static List<String> wordsFromEnd(String text, long cuts) {
        List<String> parts = new ArrayList<>();
        String rest = strip(text, null, false, true);
        while (!rest.isEmpty() && parts.size() < cuts) {
            int from = rest.length();
            while (from > 0 && !isSpace(rest.charAt(from - 1))) {
                from--;
            }
            parts.add(rest.substring(from));
            TemplateLimits.items(parts.size());
            rest = strip(rest.substring(0, from), null, false, true);
        }
        if (!rest.isEmpty()) {
            parts.add(rest);
        }
        Collections.reverse(parts);
        return parts;
    }

    /** Python's {@code splitlines}. */
    static List<String> lines(String text, boolean keepEnds) {
        List<String> lines = new ArrayList<>();
        int from = 0;
        for (int i = 0; i < text.length(); i++) {
            if ("\n\r\u000B\f\u001C\u001D\u001E\u0085\u2028\u2029".indexOf(text.charAt(i)) < 0) {
                continue;
            }
            int end = text.startsWith("\r\n", i) ? i + 2 : i + 1;
            lines.add(text.substring(from, keepEnds ? end : i));
            TemplateLimits.items(lines.size());
            from = end;
            i = end - 1;
        }
        if (from < text.length()) {
            lines.add(text.substring(from));
        }
        return lines;
    }

    /**
     * @param count of replacements; negative for all
     */
    static String replace(String text, String old, String by, long count) {
        long most = count < 0 ? Long.MAX_VALUE : count;
        StringBuilder out = new StringBuilder();
        int from = 0;
        long done = 0;
        if (old.isEmpty()) {
            while (from < text.length() && done < most) {
                int width = Character.charCount(text.codePointAt(from));
                out.append(by).append(text, from, from + width);
                from += width;
                done++;
                TemplateLimits.text(out.length());
            }
            return out.append(text, from, text.length()).append(done < most ? by : "").toString();
        }
        for (int at = text.indexOf(old); at >= 0 && done < most; at = text.indexOf(old, from)) {
            out.append(text, from, at).append(by);
            from = at + old.length();
            done++;
            TemplateLimits.text(out.length());
        }
        return out.append(text, from, text.length()).toString();
    }

    static long count(String text, String part) {
        if (part.isEmpty()) {
            return text.codePointCount(0, text.length()) + 1L;
        }
        long count = 0;
        for (int at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length())) {
            count++;
        }
        return count;
    }

    static String join(String separator, List<String> parts) {
        long length = 0;
        for (String part : parts) {
            length += part.length() + separator.length();
        }
        TemplateLimits.text(length);
        return String.join(separator, parts);
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = Character.charCount(text.codePointAt(0));
        return titleCase(text.substring(0, first)) + text.substring(first).toLowerCase(Locale.ROOT);
    }

    /** Each run of letters with a capital at its front. */
    static String title(String text) {
        StringBuilder out = new StringBuilder();
        boolean inside = false;
        for (int c : text.codePoints().toArray()) {
            String one = Character.toString(c);
            out.append(inside ? one.toLowerCase(Locale.ROOT) : titleCase(one));
            inside =
                    Character.isUpperCase(c)
                            || Character.isLowerCase(c)
                            || Character.isTitleCase(c);
        }
        return out.toString();
    }

    /** One code point; what becomes several in capitals begins with one only. */
    private static String titleCase(String one) {
        int title = Character.toTitleCase(one.codePointAt(0));
        String upper = one.toUpperCase(Locale.ROOT);
        return title == one.codePointAt(0) && !upper.equals(one)
                ? capitalFirst(upper)
                : Character.toString(title);
    }

    private static String capitalFirst(String upper) {
        int first = Character.charCount(upper.codePointAt(0));
        return upper.substring(0, first) + upper.substring(first).toLowerCase(Locale.ROOT);
    }

    /**
     * @param what one of {@code isalnum isalpha isdigit islower isspace isupper}
     */
    static boolean is(String text, String what) {
        IntPredicate test =
                switch (what) {
                    case "isalnum" -> c -> Character.isLetterOrDigit(c);
                    case "isalpha" -> Character::isLetter;
                    case "isdigit" -> Character::isDigit;
                    case "isspace" -> PythonText::isSpace;
                    case "islower" -> c -> !Character.isUpperCase(c) && !Character.isTitleCase(c);
                    case "isupper" -> c -> !Character.isLowerCase(c) && !Character.isTitleCase(c);
                    default ->
                            throw new TemplateFault(
                                    "the method " + what + " of str object is not supported");
                };
        boolean cased = what.equals("islower") || what.equals("isupper");
        return !text.isEmpty()
                && text.codePoints().allMatch(test)
                && (!cased
                        || text.codePoints()
                                .anyMatch(
                                        c -> Character.isLowerCase(c) || Character.isUpperCase(c)));
    }

    /** Python's {@code repr}. */
    static String quote(String text) {
        char quote = text.contains("'") && !text.contains("\"") ? '"' : '\'';
        StringBuilder out = new StringBuilder().append(quote);
        text.codePoints()
                .forEach(c -> {
                    switch (c) {
                        case '\n' -> out.append("\\n");
                        case '\r' -> out.append("\\r");
                        case '\t' -> out.append("\\t");
                        case '\\' -> out.append("\\\\");
                        default -> {
                            if (c == quote) {
                                out.append('\\').append(quote);
                            } else if (isPrintable(c)) {
                                out.appendCodePoint(c);
                            } else {
                                String form =
                                        c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
                                out.append(form.formatted(c));
                            }
                        }
                    }
                });
        TemplateLimits.text(out.length());
        return out.append(quote).toString();
    }

    private static boolean isPrintable(int c) {
        return c == ' '
                || switch (Character.getType(c)) {
                    case Character.CONTROL,
                            Character.FORMAT,
                            Character.SURROGATE,
                            Character.PRIVATE_USE,
                            Character.UNASSIGNED,
                            Character.LINE_SEPARATOR,
                            Character.PARAGRAPH_SEPARATOR,
                            Character.SPACE_SEPARATOR ->
                            false;
                    default -> true;
                };
    }
}
