package dev.aril.engine.text;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Rewrites a Jinja template into one that the Java library reads alike. It settles whitespace as
 * Jinja's lexer does with {@code trim_blocks} and {@code lstrip_blocks} (transformers' setting),
 * drops comments, the final newline and transformers' {@code generation} marks, writes the
 * reversing slice as the filter, and refuses what the library would silently get wrong.
 */
final class TemplateSource {
    private static final Pattern WORD = Pattern.compile("[a-z_]+");
    private static final Pattern REVERSED = Pattern.compile("(\\w)\\[::-1\\]");
    private static final Pattern QUOTED =
            Pattern.compile("'(?:\\\\.|[^'\\\\])*'|\"(?:\\\\.|[^\"\\\\])*\"", Pattern.DOTALL);
    private static final Pattern FILTER = Pattern.compile("\\|\\s*([A-Za-z_]\\w*)");
    private static final Pattern TEST = Pattern.compile("\\bis\\s+(?:not\\s+)?([A-Za-z_]\\w*)");
    private static final Set<String> OPENING =
            Set.of("for", "if", "macro", "call", "filter", "set", "block", "with");

    private final String source;
    private final StringBuilder out = new StringBuilder();
    private final Deque<String> open = new ArrayDeque<>();
    private final Set<String> filters = new TreeSet<>();
    private final Set<String> tests = new TreeSet<>();
    private int at;

    /** Whether a line begins where the next text does. */
    private boolean lineStarts = true;

    private TemplateSource(String source) {
        this.source = source;
    }

    /**
     * @throws IllegalArgumentException naming what is not supported, and its line
     */
    static TemplateSource rewrite(String template) {
        String text = template.replace("\r\n", "\n").replace('\r', '\n');
        String lessNewline = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
        TemplateSource source = new TemplateSource(lessNewline);
        source.rewrite();
        return source;
    }

    /** What the library is to read. */
    String text() {
        return out.toString();
    }

    /** Names of the filters it uses: the library takes an unknown one for nothing. */
    Set<String> filters() {
        return filters;
    }

    /** Names of the tests it uses. */
    Set<String> tests() {
        return tests;
    }

    private void rewrite() {
        while (at < source.length()) {
            int tag = nextTag();
            text(source.substring(at, tag), tag);
            if (tag == source.length()) {
                return;
            }
            at = tag;
            tag(source.charAt(tag + 1));
        }
    }

    private int nextTag() {
        for (int i = source.indexOf('{', at); i >= 0; i = source.indexOf('{', i + 1)) {
            if (i + 1 < source.length() && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return source.length();
    }

    /** Text before a tag, as far as the tag leaves it. */
    private void text(String text, int tag) {
        if (tag == source.length()) {
            out.append(text);
            return;
        }
        char kind = source.charAt(tag + 1);
        char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
        String left = text;
        if (sign == '-') {
            left = PythonText.strip(text, null, false, true);
        } else if (sign != '+' && kind != '{') {
            int line = text.lastIndexOf('\n') + 1;
            String indent = text.substring(line);
            if ((line > 0 || lineStarts) && PythonText.strip(indent, null, true, true).isEmpty()) {
                left = text.substring(0, line);
            }
        }
        out.append(left);
    }

    private void tag(char kind) {
        int begin = at;
        String close = kind == '{' ? "}}" : kind + "}";
        int end = end(begin + 2, kind, close);
        String inside = source.substring(begin + 2, end);
        boolean trims = inside.endsWith("-");
        boolean keeps = kind != '{' && inside.endsWith("+");
        if (inside.startsWith("-") || inside.startsWith("+")) {
            inside = inside.substring(1);
        }
        if ((trims || keeps) && !inside.isEmpty()) {
            inside = inside.substring(0, inside.length() - 1);
        }
        at = end + 2;
        if (trims) {
            while (at < source.length()
                    && PythonText.strip(source.substring(at, at + 1), null, true, true).isEmpty()) {
                at++;
            }
        } else if (kind != '{' && !keeps && at < source.length() && source.charAt(at) == '\n') {
            at++;
        }
        lineStarts = source.charAt(at - 1) == '\n';
        switch (kind) {
            case '%' -> statement(inside.strip(), begin);
            case '{' -> out.append("{{ ").append(portable(inside.strip())).append(" }}");
            default -> {}
        }
    }

    /** Where a tag's inside ends; quotes hide what they hold. */
    private int end(int from, char kind, String close) {
        char quote = 0;
        for (int i = from; i < source.length(); i++) {
            char c = source.charAt(i);
            if (quote != 0) {
                if (c == '\\') {
                    i++;
                } else if (c == quote) {
                    quote = 0;
                }
            } else if (kind != '#' && (c == '\'' || c == '"')) {
                quote = c;
            } else if (source.startsWith(close, i)) {
                return i;
            }
        }
        throw refused("a tag that does not end", from);
    }

    private void statement(String inside, int where) {
        Matcher word = WORD.matcher(inside.toLowerCase(Locale.ROOT));
        String name = word.lookingAt() ? word.group() : "";
        switch (name) {
            case "generation", "endgeneration" -> {
                return;
            }
            case "raw" -> throw refused("{% raw %}", where);
            case "for" -> {
                if (hasCondition(inside)) {
                    // only where it is reached: tools' branches, often
                    out.append("{{ raise_exception('a loop with a condition is not supported') }}");
                }
                open.push(name);
            }
            case "else" -> {
                if ("for".equals(open.peek())) {
                    throw refused("{% else %} of a {% for %}", where);
                }
            }
            case "set" -> {
                if (!inside.contains("=")) {
                    open.push(name);
                }
            }
            default -> {
                if (OPENING.contains(name)) {
                    open.push(name);
                } else if (name.startsWith("end") && !open.isEmpty()) {
                    open.pop();
                }
            }
        }
        out.append("{% ").append(portable(inside)).append(" %}");
    }

    /** A loop's own condition, which the library skips; one in parentheses is an expression's. */
    private static boolean hasCondition(String inside) {
        int depth = 0;
        for (int i = 0; i < inside.length(); i++) {
            char c = inside.charAt(i);
            if (c == '\'' || c == '"') {
                i = inside.indexOf(c, i + 1);
                if (i < 0) {
                    return false;
                }
            } else if ("([{".indexOf(c) >= 0) {
                depth++;
            } else if (")]}".indexOf(c) >= 0) {
                depth--;
            } else if (depth == 0 && inside.startsWith(" if ", i)) {
                return true;
            }
        }
        return false;
    }

    private String portable(String inside) {
        String unquoted = QUOTED.matcher(inside).replaceAll("''");
        FILTER.matcher(unquoted).results().forEach(used -> filters.add(used.group(1)));
        TEST.matcher(unquoted).results().forEach(used -> tests.add(used.group(1)));
        return NamedArguments.wrap(REVERSED.matcher(inside).replaceAll("$1|reverse"));
    }

    private IllegalArgumentException refused(String what, int where) {
        long line = 1 + source.substring(0, where).chars().filter(c -> c == '\n').count();
        return new IllegalArgumentException(
                what + " is not supported (line " + line + " of the template)");
    }
}
