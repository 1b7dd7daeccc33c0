package dev.aril.engine.text;

import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import dev.aril.engine.text.PythonValue.Namespace;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a tag does with the nodes between it and its end. */
sealed interface Statement {
    /** The text that it writes. */
    String render(List<Node> body, TemplateRun run);

    /** What a value is assigned to. */
    sealed interface Target {
        void assign(Object value, Scope scope);

        record Variable(String name) implements Target {
            @Override
            public void assign(Object value, Scope scope) {
                scope.set(name, value);
            }
        }

        record Field(String namespace, String name) implements Target {
            @Override
            public void assign(Object value, Scope scope) {
                if (!(scope.get(namespace) instanceof Namespace fields)) {
                    throw new TemplateFault(namespace + " is no namespace");
                }
                fields.fields().put(name, value);
            }
        }

        record Several(List<Target> targets) implements Target {
            @Override
            public void assign(Object value, Scope scope) {
                List<Object> values = PythonValue.list(value);
                if (values.size() != targets.size()) {
                    throw new TemplateFault(
                            values.size() + " values for " + targets.size() + " names");
                }
                for (int i = 0; i < targets.size(); i++) {
                    targets.get(i).assign(values.get(i), scope);
                }
            }
        }
    }

    record Text(String text) implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            return text;
        }
    }

    record Output(Expression expression) implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            return PythonValue.text(expression.in(run.scope()));
        }
    }

    /** Its {@code elif} and {@code else} stand among its nodes. */
    record If(Expression condition) implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            boolean holds = PythonValue.truth(condition.in(run.scope()));
            int from = 0;
            for (int i = 0; i < body.size(); i++) {
                if (!(body.get(i) instanceof TagNode tag)
                        || !(tag.getName().equals("elif") || tag.getName().equals("else"))) {
                    continue;
                }
                if (holds) {
                    return run.render(body.subList(from, i));
                }
                from = i + 1;
                holds =
                        tag.getName().equals("else")
                                || run.statement(tag) instanceof If next
                                        && PythonValue.truth(next.condition.in(run.scope()));
            }
            return holds ? run.render(body.subList(from, body.size())) : "";
        }
    }

    record For(Target target, Expression items, @Nullable Expression condition)
            implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            Scope outside = run.scope();
            List<Object> chosen = chosen(outside);
            int end = body.size();
            for (int i = 0; i < body.size(); i++) {
                if (body.get(i) instanceof TagNode tag && tag.getName().equals("else")) {
                    end = i;
                }
            }
            if (chosen.isEmpty()) {
                return end == body.size()
                        ? ""
                        : run.within(outside.inner(), body.subList(end + 1, body.size()));
            }
            LoopState loop = new LoopState(chosen);
            StringBuilder out = new StringBuilder();
            for (int i = 0; i < chosen.size(); i++) {
                outside.limits().step();
                loop.next(i);
                Scope round = outside.inner();
                round.set("loop", loop);
                target.assign(chosen.get(i), round);
                out.append(run.within(round, body.subList(0, end)));
                TemplateLimits.text(out.length());
                if (run.leavesLoop()) {
                    break;
                }
            }
            return out.toString();
        }

        private List<Object> chosen(Scope outside) {
            List<Object> all = PythonValue.list(items.in(outside));
            if (condition == null) {
                return all;
            }
            List<Object> chosen = new ArrayList<>();
            for (Object item : all) {
                Scope round = outside.inner();
                target.assign(item, round);
                if (PythonValue.truth(condition.in(round))) {
                    chosen.add(item);
                }
            }
            return chosen;
        }
    }

    record Leave(boolean whole) implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            run.leave(whole);
            return "";
        }
    }

    record Set(Target target, Expression value) implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            target.assign(value.in(run.scope()), run.scope());
            return "";
        }
    }

    /** What it holds, through its filters. */
    record SetBlock(Target target, List<Expression.Filtered> filters) implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            Object value = run.within(run.scope().inner(), body);
            target.assign(filtered(value, filters, run.scope()), run.scope());
            return "";
        }
    }

    record FilterBlock(List<Expression.Filtered> filters) implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            Object value = run.within(run.scope().inner(), body);
            return PythonValue.text(filtered(value, filters, run.scope()));
        }
    }

    private static Object filtered(Object value, List<Expression.Filtered> filters, Scope scope) {
        Object now = value;
        for (Expression.Filtered filter : filters) {
            now =
                    new Expression.Filtered(
                                    new Expression.Literal(now),
                                    filter.filter(),
                                    filter.arguments())
                            .in(scope);
        }
        return now;
    }

    record With(List<Target> targets, List<Expression> values) implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            Scope inner = run.scope().inner();
            for (int i = 0; i < targets.size(); i++) {
                // each sees what stands outside only
                targets.get(i).assign(values.get(i).in(run.scope()), inner);
            }
            return run.within(inner, body);
        }
    }

    /**
     * @param defaults of the last parameters
     */
    record Macro(String name, List<String> parameters, List<Expression> defaults)
            implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            run.scope().set(name, callable(body, run));
            return "";
        }

        TemplateCallable callable(List<Node> body, TemplateRun run) {
            Scope home = run.scope();
            return (given, scope) -> {
                Scope inside = home.inner();
                List<String> names = new ArrayList<>(parameters);
                Given rest = given;
                if (given.named().get("caller") instanceof TemplateCallable caller) {
                    inside.set("caller", caller);
                    Map<String, Object> others = new LinkedHashMap<>(given.named());
                    others.remove("caller");
                    rest = new Given(given.positional(), others);
                }
                @Nullable Object[] bound =
                        rest.bind("the macro " + name, names.toArray(String[]::new));
                int required = names.size() - defaults.size();
                for (int i = 0; i < bound.length; i++) {
                    Object value = bound[i];
                    if (value == null) {
                        value =
                                i < required
                                        ? new Undefined(
                                                "parameter '" + names.get(i) + "' was not provided")
                                        : defaults.get(i - required).in(inside);
                    }
                    inside.set(names.get(i), value);
                }
                home.limits().enterCall();
                try {
                    return run.within(inside, body);
                } finally {
                    home.limits().leaveCall();
                }
            };
        }
    }

    /** A macro's call that is given what stands within as {@code caller}. */
    record CallBlock(Macro caller, Expression.Call call) implements Statement {
        @Override
        public String render(List<Node> body, TemplateRun run) {
            Given given = call.arguments().in(run.scope());
            Map<String, Object> named = new LinkedHashMap<>(given.named());
            named.put("caller", caller.callable(body, run));
            if (!(call.callee().in(run.scope()) instanceof TemplateCallable callable)) {
                throw new TemplateFault("{% call %} of what is no macro");
            }
            return PythonValue.text(
                    callable.call(new Given(given.positional(), named), run.scope()));
        }
    }
}
