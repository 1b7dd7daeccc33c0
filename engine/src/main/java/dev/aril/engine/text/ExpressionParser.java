package dev.aril.engine.text;

import dev.aril.engine.text.TagTokens.Kind;
import dev.aril.engine.text.TagTokens.Token;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads expressions with Jinja's grammar and its order of operators. Filters, tests and methods
 * that are not there are refused here, so when a template is opened.
 */
final class ExpressionParser {
    private static final int MAX_DEPTH = 100;
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    private static final Map<String, Object> CONSTANTS =
            Map.of(
                    "true", true,
                    "True", true,
                    "false", false,
                    "False", false,
                    "none", PythonValue.NONE,
                    "None", PythonValue.NONE);

    /** Names that mean something of their own in Jinja. */
    private static final Set<String> RESERVED =
            Set.of("varargs", "kwargs", "self", "super", "cycler", "joiner", "lipsum");

    private final List<Token> tokens;
    private int at;
    private int depth;

    ExpressionParser(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token peek() {
        return tokens.get(at);
    }

    Token next() {
        Token token = tokens.get(at);
        if (token.kind() != Kind.END) {
            at++;
        }
        return token;
    }

    boolean skip(String operator) {
        return peek().is(operator) && next() != null;
    }

    boolean skipName(String name) {
        return peek().isName(name) && next() != null;
    }

    void expect(String operator) {
        if (!skip(operator)) {
            throw unexpected("instead of " + operator);
        }
    }

    String name() {
        if (peek().kind() != Kind.NAME) {
            throw unexpected("instead of a name");
        }
        return next().text();
    }

    void end() {
        if (peek().kind() != Kind.END) {
            throw unexpected("behind an expression");
        }
    }

    IllegalArgumentException unexpected(String where) {
        return new IllegalArgumentException("\"" + peek().text() + "\" " + where);
    }

    /** One expression, or several with commas: a tuple. */
    Expression tuple(boolean conditional) {
        Expression first = conditional ? expression() : or();
        if (!peek().is(",")) {
            return first;
        }
        List<Expression> items = new ArrayList<>(List.of(first));
        while (skip(",")) {
            if (endsTuple()) {
                break;
            }
            items.add(conditional ? expression() : or());
        }
        return new Expression.ListOf(items, true);
    }

    private boolean endsTuple() {
        Token token = peek();
        return token.kind() == Kind.END || token.is(")") || token.is("]") || token.isName("in");
    }

    Expression expression() {
        if (++depth > MAX_DEPTH) {
            throw new IllegalArgumentException(
                    "an expression more than " + MAX_DEPTH + " deep in brackets");
        }
        Expression value = or();
        while (skipName("if")) {
            Expression condition = or();
            Expression otherwise = skipName("else") ? expression() : null;
            value = new Expression.Conditional(value, condition, otherwise);
        }
        depth--;
        return value;
    }

    Expression or() {
        Expression left = and();
        while (skipName("or")) {
            left = new Expression.Or(left, and());
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (skipName("and")) {
            left = new Expression.And(left, not());
        }
        return left;
    }

    private Expression not() {
        int count = 0;
        while (skipName("not")) {
            count++;
        }
        Expression value = comparison();
        for (; count > 0; count--) {
            value = new Expression.Not(value);
        }
        return value;
    }

    private Expression comparison() {
        Expression first = sum();
        List<String> operators = new ArrayList<>();
        List<Expression> others = new ArrayList<>();
        while (true) {
            Token token = peek();
            if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
                operators.add(next().text());
            } else if (skipName("in")) {
                operators.add("in");
            } else if (token.isName("not") && tokens.get(at + 1).isName("in")) {
                at += 2;
                operators.add("not in");
            } else {
                return operators.isEmpty()
                        ? first
                        : new Expression.Comparison(first, operators, others);
            }
            others.add(sum());
        }
    }

    private Expression sum() {
        Expression left = concatenation();
        while (peek().is("+") || peek().is("-")) {
            left = new Expression.Arithmetic(next().text(), left, concatenation());
        }
        return left;
    }

    private Expression concatenation() {
        Expression first = product();
        if (!peek().is("~")) {
            return first;
        }
        List<Expression> parts = new ArrayList<>(List.of(first));
        while (skip("~")) {
            parts.add(product());
        }
        return new Expression.Concatenation(parts);
    }

    private Expression product() {
        Expression left = power();
        while (peek().is("*") || peek().is("/") || peek().is("//") || peek().is("%")) {
            left = new Expression.Arithmetic(next().text(), left, power());
        }
        return left;
    }

    private Expression power() {
        Expression left = unary(true);
        while (skip("**")) {
            left = new Expression.Arithmetic("**", left, unary(true));
        }
        return left;
    }

    private Expression unary(boolean filters) {
        if (++depth > MAX_DEPTH) {
            throw new IllegalArgumentException("more than " + MAX_DEPTH + " signs");
        }
        Expression value;
        if (skip("-")) {
            value = new Expression.Negative(unary(false));
        } else if (skip("+")) {
            value = new Expression.Arithmetic("+", new Expression.Literal(0L), unary(false));
        } else {
            value = primary();
        }
        depth--;
        value = postfix(value);
        return filters ? filtersAndTests(value) : value;
    }

    private Expression primary() {
        Token token = next();
        return switch (token.kind()) {
            case NAME -> named(token.text());
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (peek().kind() == Kind.STRING) {
                    text.append(next().text());
                }
                yield new Expression.Literal(text.toString());
            }
            case INTEGER -> new Expression.Literal(integer(token.text()));
            case FLOAT -> new Expression.Literal(Double.parseDouble(token.text()));
            case OPERATOR ->
                    switch (token.text()) {
                        case "(" -> parenthesized();
                        case "[" -> list();
                        case "{" -> map();
                        default -> throw misplaced(token);
                    };
            case END -> throw misplaced(token);
        };
    }

    private static IllegalArgumentException misplaced(Token token) {
        return new IllegalArgumentException("\"" + token.text() + "\" instead of a value");
    }

    private static Expression named(String name) {
        if (RESERVED.contains(name)) {
            throw new IllegalArgumentException("the name " + name);
        }
        Object constant = CONSTANTS.get(name);
        return constant != null ? new Expression.Literal(constant) : new Expression.Name(name);
    }

    private static long integer(String digits) {
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("the number " + digits, e);
        }
    }

    private Expression parenthesized() {
        if (skip(")")) {
            return new Expression.ListOf(List.of(), true);
        }
        Expression inside = tuple(true);
        expect(")");
        return inside;
    }

    private Expression list() {
        List<Expression> items = new ArrayList<>();
        while (!skip("]")) {
            items.add(expression());
            if (!peek().is("]")) {
                expect(",");
            }
        }
        return new Expression.ListOf(items, false);
    }

    private Expression map() {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!skip("}")) {
            keys.add(expression());
            expect(":");
            values.add(expression());
            if (!peek().is("}")) {
                expect(",");
            }
        }
        return new Expression.MapOf(keys, values);
    }

    private Expression postfix(Expression value) {
        Expression now = value;
        while (true) {
            if (skip(".")) {
                now = point(now);
            } else if (skip("[")) {
                now = subscript(now);
            } else if (peek().is("(")) {
                now = new Expression.Call(now, arguments());
            } else {
                return now;
            }
        }
    }

    private Expression point(Expression of) {
        if (peek().kind() == Kind.INTEGER) {
            return new Expression.Item(of, new Expression.Literal(integer(next().text())));
        }
        return new Expression.Attribute(of, name());
    }

    private Expression subscript(Expression of) {
        Expression from = peek().is(":") ? null : tupleItem();
        if (!peek().is(":")) {
            expect("]");
            if (from == null) {
                throw new IllegalArgumentException("an empty index");
            }
            return new Expression.Item(of, from);
        }
        next();
        Expression to = peek().is(":") || peek().is("]") ? null : expression();
        Expression step = skip(":") && !peek().is("]") ? expression() : null;
        expect("]");
        return new Expression.Slice(of, from, to, step);
    }

    private Expression tupleItem() {
        Expression index = expression();
        if (peek().is(",")) {
            throw new IllegalArgumentException("an index of several parts");
        }
        return index;
    }

    /** In their parentheses. */
    Arguments arguments() {
        expect("(");
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        while (!skip(")")) {
            if (peek().is("*") || peek().is("**")) {
                throw new IllegalArgumentException("a call with * or **");
            }
            if (peek().kind() == Kind.NAME && tokens.get(at + 1).is("=")) {
                String name = name();
                next();
                if (named.put(name, expression()) != null) {
                    throw new IllegalArgumentException("the argument " + name + ", given twice,");
                }
            } else if (named.isEmpty()) {
                positional.add(expression());
            } else {
                throw unexpected("behind a named argument");
            }
            if (!peek().is(")")) {
                expect(",");
            }
        }
        return new Arguments(positional, named);
    }

    private Expression filtersAndTests(Expression value) {
        Expression now = value;
        while (true) {
            if (skip("|")) {
                now = filter(now);
            } else if (skipName("is")) {
                now = test(now);
            } else if (peek().is("(")) {
                now = new Expression.Call(now, arguments());
            } else {
                return now;
            }
        }
    }

    /** Behind its bar. */
    Expression.Filtered filter(Expression value) {
        String name = dotted();
        TemplateFilters.check(name);
        Arguments arguments = peek().is("(") ? arguments() : Arguments.NONE;
        TemplateFilters.check(name, arguments);
        return new Expression.Filtered(value, name, arguments);
    }

    private Expression test(Expression value) {
        boolean negated = skipName("not");
        String name = dotted();
        TemplateTests.check(name);
        Arguments arguments = Arguments.NONE;
        Token token = peek();
        if (token.is("(")) {
            arguments = arguments();
        } else if (beginsArgument(token)) {
            if (token.isName("is")) {
                throw new IllegalArgumentException("a chain of tests");
            }
            arguments = new Arguments(List.of(postfix(primary())), Map.of());
        }
        Expression test = new Expression.Tested(value, name, arguments);
        return negated ? new Expression.Not(test) : test;
    }

    /** Jinja's own rule: what is not one of three words is taken for the test's argument. */
    private static boolean beginsArgument(Token token) {
        return switch (token.kind()) {
            case NAME -> !Set.of("else", "or", "and").contains(token.text());
            case STRING, INTEGER, FLOAT -> true;
            case OPERATOR -> "([{".contains(token.text());
            case END -> false;
        };
    }

    private String dotted() {
        StringBuilder name = new StringBuilder(name());
        while (skip(".")) {
            name.append('.').append(name());
        }
        return name.toString();
    }

    @Nullable Expression optional(String word) {
        return skipName(word) ? expression() : null;
    }
}
