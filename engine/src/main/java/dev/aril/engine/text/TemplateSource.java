package dev.aril.engine.text;

import dev.aril.engine.text.Statement.Target;
import dev.aril.engine.text.TagTokens.Kind;
import dev.aril.engine.text.TagTokens.Token;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Takes a Jinja template apart: its tags' insides and its text become a list of statements, and
 * what is left for the library is the tags' order and nesting, with a number for each. Whitespace
 * is settled here as Jinja's lexer does with {@code trim_blocks} and {@code lstrip_blocks}
 * (transformers' setting), comments and the final newline are dropped.
 */
final class TemplateSource {
    /**
     * @param line of the template
     */
    record Part(Statement statement, int line) {}

    private record Open(String tag, int line) {}

    private static final Pattern WORD = Pattern.compile("[-+]?\\s*([A-Za-z_]\\w*)");
    private static final Pattern RAW = Pattern.compile("\\{%[-+]?\\s*raw\\s*(-?)%}");
    private static final Pattern END_RAW = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*([-+]?)%}");
    private static final Set<String> CONTAINERS =
            Set.of("for", "if", "macro", "call", "filter", "with", "generation");

    private final String source;
    private final StringBuilder out = new StringBuilder();
    private final List<Part> parts = new ArrayList<>();
    private final Deque<Open> open = new ArrayDeque<>();
    private int at;

    /** Whether a line begins where the next text does. */
    private boolean lineStarts = true;

    private TemplateSource(String source) {
        this.source = source;
    }

    /**
     * @throws IllegalArgumentException naming what is not supported, and its line
     */
    static TemplateSource read(String template) {
        String text = template.replace("\r\n", "\n").replace('\r', '\n');
        String lessNewline = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
        TemplateSource source = new TemplateSource(lessNewline);
        source.read();
        return source;
    }

    /** What the library is to read. */
    String skeleton() {
        return out.toString();
    }

    List<Part> parts() {
        return parts;
    }

    private void read() {
        while (at < source.length()) {
            int tag = nextTag();
            String text = source.substring(at, tag);
            if (tag == source.length()) {
                text(text);
                break;
            }
            int from = tag + 2;
            char sign = from < source.length() ? source.charAt(from) : ' ';
            char kind = source.charAt(tag + 1);
            text(leftOf(text, sign, kind == '{'));
            try {
                at = tag;
                tag(kind, sign == '-' || sign == '+' ? from + 1 : from);
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        e.getMessage()
                                + " is not supported (line "
                                + line(tag)
                                + " of the template)",
                        e);
            }
            lineStarts = source.charAt(at - 1) == '\n';
        }
        if (!open.isEmpty()) {
            throw new IllegalArgumentException(
                    "{%% %s %%} without its end (line %d of the template)"
                            .formatted(open.peek().tag(), open.peek().line()));
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
    private String leftOf(String text, char sign, boolean expression) {
        if (sign == '-') {
            return PythonText.strip(text, null, false, true);
        }
        int line = text.lastIndexOf('\n') + 1;
        boolean indents =
                (line > 0 || lineStarts)
                        && PythonText.strip(text.substring(line), null, true, true).isEmpty();
        return sign != '+' && !expression && indents ? text.substring(0, line) : text;
    }

    private void tag(char kind, int from) {
        if (kind == '#') {
            int end = source.indexOf("#}", from);
            if (end < 0) {
                throw new IllegalArgumentException("a comment that does not end");
            }
            trim(end > from ? source.charAt(end - 1) : ' ', end + 2, true);
            return;
        }
        if (kind == '{') {
            TagTokens inside = new TagTokens(source, from, "}}");
            ExpressionParser parser = new ExpressionParser(inside.tokens());
            Statement output = new Statement.Output(parser.tuple(true));
            parser.end();
            out.append("{{ ").append(number(output)).append(" }}");
            trim(inside.sign(), inside.end(), false);
            return;
        }
        Matcher raw = RAW.matcher(source).region(at, source.length());
        if (raw.lookingAt()) {
            trim(sign(raw.group(1)), raw.end(), false);
            raw(at);
            return;
        }
        Matcher word = WORD.matcher(source).region(at + 2, source.length());
        TagTokens inside = new TagTokens(source, from, "%}");
        statement(word.lookingAt() ? word.group(1) : "", new ExpressionParser(inside.tokens()));
        trim(inside.sign(), inside.end(), true);
    }

    private void raw(int from) {
        Matcher end = END_RAW.matcher(source).region(from, source.length());
        if (!end.find()) {
            throw new IllegalArgumentException("{% raw %} without its end");
        }
        lineStarts = source.charAt(from - 1) == '\n';
        text(leftOf(source.substring(from, end.start()), sign(end.group(1)), false));
        trim(sign(end.group(2)), end.end(), true);
    }

    private static char sign(String sign) {
        return sign.isEmpty() ? ' ' : sign.charAt(0);
    }

    /** What a tag's end takes with it. */
    private void trim(char sign, int end, boolean block) {
        at = end;
        if (sign == '-') {
            while (at < source.length() && PythonText.isSpace(source.charAt(at))) {
                at++;
            }
        } else if (block && sign != '+' && at < source.length() && source.charAt(at) == '\n') {
            at++;
        }
    }

    private void text(String text) {
        if (!text.isEmpty()) {
            out.append("{{ ").append(number(new Statement.Text(text))).append(" }}");
        }
    }

    private int number(Statement statement) {
        parts.add(new Part(statement, line(at)));
        return parts.size() - 1;
    }

    private int line(int where) {
        return 1 + (int) source.substring(0, where).chars().filter(c -> c == '\n').count();
    }

    private void statement(String name, ExpressionParser parser) {
        if (!parser.peek().isName(name)) {
            throw new IllegalArgumentException("a tag without a name");
        }
        parser.next();
        if (name.startsWith("end")) {
            close(name.substring(3));
        } else {
            switch (name) {
                case "if" -> open(name, new Statement.If(parser.tuple(false)));
                case "elif" -> {
                    within("if", name);
                    emit(name, new Statement.If(parser.tuple(false)));
                }
                case "else" -> {
                    if (open.isEmpty() || !Set.of("if", "for").contains(open.peek().tag())) {
                        throw new IllegalArgumentException("{% else %} of nothing");
                    }
                    emit(name, new Statement.Text(""));
                    // a second one has nothing to belong to
                    open.push(new Open("else of " + open.pop().tag(), line(at)));
                }
                case "for" -> open(name, loop(parser));
                case "break", "continue" -> {
                    if (open.stream().noneMatch(o -> o.tag().equals("for"))) {
                        throw new IllegalArgumentException("{% " + name + " %} outside of a loop");
                    }
                    emit(name, new Statement.Leave(name.equals("break")));
                }
                case "set" -> set(parser);
                case "macro" -> open(name, macro(parser.name(), parser));
                case "call" -> {
                    Statement.Macro caller =
                            parser.peek().is("(")
                                    ? macro("caller", parser)
                                    : new Statement.Macro("caller", List.of(), List.of());
                    if (!(parser.expression() instanceof Expression.Call call)) {
                        throw new IllegalArgumentException("{% call %} of no macro");
                    }
                    open(name, new Statement.CallBlock(caller, call));
                }
                case "filter" -> {
                    List<Expression.Filtered> filters = new ArrayList<>();
                    do {
                        filters.add(parser.filter(new Expression.Literal("")));
                    } while (parser.skip("|"));
                    open(name, new Statement.FilterBlock(filters));
                }
                case "with" -> open(name, with(parser));
                // transformers' mark of what the model itself has written
                case "generation" -> open(name, new Statement.With(List.of(), List.of()));
                default -> throw new IllegalArgumentException("{% " + name + " %}");
            }
        }
        parser.end();
    }

    private void within(String container, String name) {
        if (open.isEmpty() || !open.peek().tag().equals(container)) {
            throw new IllegalArgumentException("{% " + name + " %} of nothing");
        }
    }

    private void emit(String tag, Statement statement) {
        out.append("{% ").append(tag).append(' ').append(number(statement)).append(" %}");
    }

    private void open(String tag, Statement statement) {
        emit(tag, statement);
        open.push(new Open(tag, line(at)));
    }

    private void close(String tag) {
        String last = open.isEmpty() ? "" : open.peek().tag();
        if (!last.equals(tag) && !last.equals("else of " + tag)) {
            throw new IllegalArgumentException("{% end" + tag + " %} of nothing");
        }
        open.pop();
        boolean block = tag.equals("set");
        out.append("{% end").append(block ? "setblock" : tag).append(" %}");
    }

    private static Statement loop(ExpressionParser parser) {
        Target target = targets(parser, false);
        if (!parser.skipName("in")) {
            throw parser.unexpected("instead of in");
        }
        Expression items = parser.tuple(false);
        Expression condition = parser.optional("if");
        if (parser.peek().isName("recursive")) {
            throw new IllegalArgumentException("a recursive loop");
        }
        return new Statement.For(target, items, condition);
    }

    private void set(ExpressionParser parser) {
        Target target = targets(parser, true);
        if (parser.skip("=")) {
            emit("set", new Statement.Set(target, parser.tuple(true)));
            return;
        }
        List<Expression.Filtered> filters = new ArrayList<>();
        while (parser.skip("|")) {
            filters.add(parser.filter(new Expression.Literal("")));
        }
        emit("setblock", new Statement.SetBlock(target, filters));
        open.push(new Open("set", line(at)));
    }

    /** One name, or several with commas, maybe in parentheses. */
    private static Target targets(ExpressionParser parser, boolean fields) {
        Target first = target(parser, fields);
        if (!parser.peek().is(",")) {
            return first;
        }
        List<Target> all = new ArrayList<>(List.of(first));
        while (parser.skip(",")) {
            if (parser.peek().kind() == Kind.NAME && !parser.peek().isName("in")
                    || parser.peek().is("(")) {
                all.add(target(parser, fields));
            }
        }
        return new Target.Several(all);
    }

    private static Target target(ExpressionParser parser, boolean fields) {
        if (parser.skip("(")) {
            Target inside = targets(parser, fields);
            parser.expect(")");
            return inside;
        }
        Token token = parser.peek();
        String name = parser.name();
        if (Set.of("true", "false", "none", "True", "False", "None", "loop").contains(name)) {
            throw new IllegalArgumentException("assigning to " + token.text());
        }
        return fields && parser.skip(".")
                ? new Target.Field(name, parser.name())
                : new Target.Variable(name);
    }

    /** Its parameters, in parentheses. */
    private static Statement.Macro macro(String name, ExpressionParser parser) {
        List<String> parameters = new ArrayList<>();
        List<Expression> defaults = new ArrayList<>();
        parser.expect("(");
        while (!parser.skip(")")) {
            parameters.add(parser.name());
            if (parser.skip("=")) {
                defaults.add(parser.expression());
            } else if (!defaults.isEmpty()) {
                throw parser.unexpected("behind a parameter with a default");
            }
            if (!parser.peek().is(")")) {
                parser.expect(",");
            }
        }
        return new Statement.Macro(name, parameters, defaults);
    }

    private static Statement with(ExpressionParser parser) {
        List<Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (parser.peek().kind() != Kind.END) {
            targets.add(target(parser, false));
            parser.expect("=");
            values.add(parser.expression());
            if (parser.peek().kind() != Kind.END) {
                parser.expect(",");
            }
        }
        return new Statement.With(targets, values);
    }

    /** All tags that the skeleton may hold. */
    static List<TemplateTag> tags() {
        List<TemplateTag> tags = new ArrayList<>();
        CONTAINERS.forEach(name -> tags.add(new TemplateTag(name, "end" + name)));
        tags.add(new TemplateTag("setblock", "endsetblock"));
        for (String name : List.of("elif", "else", "set", "break", "continue")) {
            tags.add(new TemplateTag(name, null));
        }
        return tags;
    }
}
