package dev.aril.engine.text;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Puts the values of named arguments into parentheses: the Java library binds {@code name=a - b} as
 * {@code (name=a) - b}, Jinja as {@code name=(a - b)}.
 */
final class NamedArguments {
    private NamedArguments() {}

    /**
     * @param expression a tag's inside, well-formed or not
     */
    static String wrap(String expression) {
        StringBuilder out = new StringBuilder();
        // for each open bracket, whether a value in it was opened and waits for its parenthesis
        Deque<Boolean> brackets = new ArrayDeque<>();
        for (int i = 0; i < expression.length(); i++) {
            char c = expression.charAt(i);
            if (c == '\'' || c == '"') {
                int end = quoted(expression, i);
                out.append(expression, i, end);
                i = end - 1;
            } else if ("([{".indexOf(c) >= 0) {
                brackets.push(false);
                out.append(c);
            } else if (")]}".indexOf(c) >= 0) {
                if (!brackets.isEmpty() && brackets.pop()) {
                    out.append(')');
                }
                out.append(c);
            } else if (c == ',' && !brackets.isEmpty() && brackets.peek()) {
                brackets.pop();
                brackets.push(false);
                out.append("),");
            } else if (c == '='
                    && isNaming(expression, i)
                    && Boolean.FALSE.equals(brackets.peek())) {
                brackets.pop();
                brackets.push(true);
                out.append("=(");
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }

    /** Neither a comparison nor part of one. */
    private static boolean isNaming(String expression, int at) {
        char before = at > 0 ? expression.charAt(at - 1) : ' ';
        char after = at + 1 < expression.length() ? expression.charAt(at + 1) : ' ';
        return after != '=' && "=!<>".indexOf(before) < 0;
    }

    /** Behind the string that begins here. */
    private static int quoted(String expression, int from) {
        char quote = expression.charAt(from);
        int i = from + 1;
        while (i < expression.length() && expression.charAt(i) != quote) {
            i += expression.charAt(i) == '\\' ? 2 : 1;
        }
        return Math.min(i + 1, expression.length());
    }
}
