package dev.aril.engine.text;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import java.util.List;

/**
 * One rendering: Jinjava walks the template's tree, and asks here what its tags and expressions
 * mean. These are numbers in a list, see {@link TemplateSource}.
 */
final class TemplateRun extends JinjavaInterpreter {
    private final List<TemplateSource.Part> parts;
    private Scope scope;
    private int line = 1;

    /** Whether the rest of a loop's round is to be left out; {@link #ends} the whole loop's. */
    private boolean leaves;

    private boolean ends;

    TemplateRun(Jinjava jinja, JinjavaConfig limits, List<TemplateSource.Part> parts, Scope scope) {
        super(jinja, new Context(jinja.getGlobalContext()), limits);
        this.parts = parts;
        this.scope = scope;
    }

    Scope scope() {
        return scope;
    }

    /** Of the template, where it was last. */
    int line() {
        return line;
    }

    Statement statement(TagNode tag) {
        return statement(tag.getHelpers());
    }

    private Statement statement(String number) {
        TemplateSource.Part part = parts.get(Integer.parseInt(number.strip()));
        line = part.line();
        scope.limits().step();
        return part.statement();
    }

    String render(TagNode tag) {
        return statement(tag).render(tag.getChildren(), this);
    }

    /** An expression's value as text, or text itself. */
    @Override
    public Object resolveELExpression(String number, int line) {
        return statement(number).render(List.of(), this);
    }

    /** Nodes one behind the other, as far as a loop's end lets them. */
    String render(List<Node> nodes) {
        StringBuilder out = new StringBuilder();
        for (Node node : nodes) {
            out.append(node.render(this).getValue());
            TemplateLimits.text(out.length());
            if (leaves) {
                break;
            }
        }
        return out.toString();
    }

    /** The same where other variables are seen. */
    String within(Scope inner, List<Node> nodes) {
        Scope before = scope;
        scope = inner;
        try {
            return render(nodes);
        } finally {
            scope = before;
        }
    }

    void leave(boolean wholeLoop) {
        leaves = true;
        ends = wholeLoop;
    }

    /** At the end of a round: whether it was the loop's last. */
    boolean leavesLoop() {
        boolean last = leaves && ends;
        leaves = false;
        return last;
    }
}
