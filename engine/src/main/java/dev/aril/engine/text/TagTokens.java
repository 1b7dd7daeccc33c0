package dev.aril.engine.text;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** Cuts a tag's inside into tokens, as Jinja's lexer does, and finds the tag's end on the way. */
final class TagTokens {
    enum Kind {
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    /**
     * @param text a string's content, its escapes resolved
     */
    record Token(Kind kind, String text) {
        boolean is(String operator) {
            return kind == Kind.OPERATOR && text.equals(operator);
        }

        boolean isName(String name) {
            return kind == Kind.NAME && text.equals(name);
        }
    }

    private static final List<String> OPERATORS =
            List.of(
                    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(",
                    ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";");

    private final String source;
    private final String close;
    private final Deque<Character> open = new ArrayDeque<>();
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private char sign = ' ';

    /**
     * @param from behind the tag's opening and its sign
     * @param close {@code }}} or {@code %}}
     * @throws IllegalArgumentException naming what it cannot read
     */
    TagTokens(String source, int from, String close) {
        this.source = source;
        this.close = close;
        this.at = from;
        while (!atEnd()) {
            next();
        }
        tokens.add(new Token(Kind.END, "the tag's end"));
        at += sign == ' ' ? 2 : 3;
    }

    List<Token> tokens() {
        return tokens;
    }

    /** Behind the tag. */
    int end() {
        return at;
    }

    /** The sign before the tag's closing, or a blank. */
    char sign() {
        return sign;
    }

    private boolean atEnd() {
        while (at < source.length() && PythonText.isSpace(source.charAt(at))) {
            at++;
        }
        if (at >= source.length()) {
            throw new IllegalArgumentException("a tag that does not end");
        }
        if (!open.isEmpty()) {
            return false;
        }
        char c = source.charAt(at);
        boolean signed = c == '-' || (c == '+' && close.equals("%}"));
        if (signed && source.startsWith(close, at + 1)) {
            sign = c;
            return true;
        }
        return source.startsWith(close, at);
    }

    private void next() {
        char c = source.charAt(at);
        if (c == '\'' || c == '"') {
            string(c);
        } else if (c >= '0' && c <= '9') {
            number();
        } else if (c == '_' || Character.isUnicodeIdentifierStart(c)) {
            int from = at;
            while (at < source.length()
                    && (source.charAt(at) == '_'
                            || Character.isUnicodeIdentifierPart(source.charAt(at)))) {
                at++;
            }
            tokens.add(new Token(Kind.NAME, source.substring(from, at)));
        } else {
            operator();
        }
    }

    private void operator() {
        String found =
                OPERATORS.stream()
                        .filter(o -> source.startsWith(o, at))
                        .findFirst()
                        .orElseThrow(() ->
                                new IllegalArgumentException(
                                        "the character "
                                                + Character.toString(source.codePointAt(at))));
        char c = found.charAt(0);
        if ("([{".indexOf(c) >= 0) {
            open.push(")]}".charAt("([{".indexOf(c)));
        } else if (")]}".indexOf(c) >= 0 && (open.isEmpty() || open.pop() != c)) {
            throw new IllegalArgumentException("a " + c + " that closes nothing");
        }
        tokens.add(new Token(Kind.OPERATOR, found));
        at += found.length();
    }

    private void number() {
        int from = at;
        if (source.charAt(at) == '0' && "xXoObB".indexOf(peek(1)) >= 0) {
            throw new IllegalArgumentException("a number that is not decimal");
        }
        digits();
        boolean whole = true;
        if (peek(0) == '.' && isDigit(peek(1))) {
            whole = false;
            at++;
            digits();
        }
        int exponent = "+-".indexOf(peek(1)) >= 0 ? 2 : 1;
        if ("eE".indexOf(peek(0)) >= 0 && isDigit(peek(exponent))) {
            whole = false;
            at += exponent;
            digits();
        }
        String text = source.substring(from, at).replace("_", "");
        tokens.add(new Token(whole ? Kind.INTEGER : Kind.FLOAT, text));
    }

    private void digits() {
        while (isDigit(peek(0)) || (peek(0) == '_' && isDigit(peek(1)))) {
            at++;
        }
    }

    private char peek(int ahead) {
        return at + ahead < source.length() ? source.charAt(at + ahead) : ' ';
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private void string(char quote) {
        StringBuilder out = new StringBuilder();
        at++;
        while (peek(0) != quote || at >= source.length()) {
            if (at >= source.length()) {
                throw new IllegalArgumentException("a string that does not end");
            }
            char c = source.charAt(at++);
            if (c == '\\' && at < source.length()) {
                escape(source.charAt(at++), out);
            } else {
                out.append(c);
            }
        }
        at++;
        tokens.add(new Token(Kind.STRING, out.toString()));
    }

    /** Python's escapes; a backslash before anything else stands for itself. */
    private void escape(char c, StringBuilder out) {
        switch (c) {
            case '\n' -> {}
            case '\\', '\'', '"' -> out.append(c);
            case 'n' -> out.append('\n');
            case 't' -> out.append('\t');
            case 'r' -> out.append('\r');
            case 'a' -> out.append('\u0007');
            case 'b' -> out.append('\b');
            case 'f' -> out.append('\f');
            case 'v' -> out.append('\u000B');
            case 'x' -> out.appendCodePoint(hex(2));
            case 'u' -> out.appendCodePoint(hex(4));
            case 'U' -> out.appendCodePoint(hex(8));
            case 'N' -> throw new IllegalArgumentException("a character by its name (\\N)");
            default -> {
                if (c < '0' || c > '7') {
                    out.append('\\').append(c);
                    return;
                }
                int value = c - '0';
                for (int i = 0; i < 2 && peek(0) >= '0' && peek(0) <= '7'; i++) {
                    value = value * 8 + source.charAt(at++) - '0';
                }
                out.appendCodePoint(value);
            }
        }
    }

    private int hex(int digits) {
        int end = Math.min(at + digits, source.length());
        String text = source.substring(at, end);
        if (text.length() < digits || !text.matches("[0-9A-Fa-f]+")) {
            throw new IllegalArgumentException("an escape without its " + digits + " digits");
        }
        at = end;
        long value = Long.parseLong(text, 16);
        if (value > Character.MAX_CODE_POINT) {
            throw new IllegalArgumentException("the escape \\U" + text);
        }
        return (int) value;
    }
}
