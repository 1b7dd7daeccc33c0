package dev.aril.engine.text;

import dev.aril.engine.text.PythonValue.Tuple;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What stands in a template's tags: something that has a value where variables have theirs. */
sealed interface Expression {
    /**
     * @throws TemplateFault where Jinja has an error, or where a value is not supported here
     */
    Object in(Scope scope);

    record Literal(Object value) implements Expression {
        @Override
        public Object in(Scope scope) {
            return value;
        }
    }

    record Name(String name) implements Expression {
        @Override
        public Object in(Scope scope) {
            return scope.get(name);
        }
    }

    record Attribute(Expression of, String name) implements Expression {
        @Override
        public Object in(Scope scope) {
            return PythonAccess.attribute(of.in(scope), name);
        }
    }

    record Item(Expression of, Expression index) implements Expression {
        @Override
        public Object in(Scope scope) {
            return PythonAccess.item(of.in(scope), index.in(scope));
        }
    }

    record Slice(
            Expression of,
            @Nullable Expression from,
            @Nullable Expression to,
            @Nullable Expression step)
            implements Expression {
        @Override
        public Object in(Scope scope) {
            return PythonAccess.slice(
                    of.in(scope), bound(from, scope), bound(to, scope), bound(step, scope));
        }

        private static @Nullable Object bound(@Nullable Expression bound, Scope scope) {
            return bound == null ? null : bound.in(scope);
        }
    }

    record Call(Expression callee, Arguments arguments) implements Expression {
        @Override
        public Object in(Scope scope) {
            scope.limits().step();
            return switch (callee.in(scope)) {
                case TemplateCallable callable -> callable.call(arguments.in(scope), scope);
                case Undefined missing -> throw missing.fault();
                case Object other ->
                        throw new TemplateFault(PythonValue.kind(other) + " cannot be called");
            };
        }
    }

    record Filtered(Expression value, String filter, Arguments arguments) implements Expression {
        @Override
        public Object in(Scope scope) {
            scope.limits().step();
            return TemplateFilters.apply(filter, value.in(scope), arguments.in(scope), scope);
        }
    }

    record Tested(Expression value, String test, Arguments arguments) implements Expression {
        @Override
        public Object in(Scope scope) {
            return TemplateTests.holds(test, value.in(scope), arguments.in(scope));
        }
    }

    record Arithmetic(String operator, Expression left, Expression right) implements Expression {
        @Override
        public Object in(Scope scope) {
            return Operators.apply(operator, left.in(scope), right.in(scope));
        }
    }

    record Negative(Expression value) implements Expression {
        @Override
        public Object in(Scope scope) {
            return Numbers.negative(value.in(scope));
        }
    }

    /** {@code ~}: as texts, one behind the other. */
    record Concatenation(List<Expression> parts) implements Expression {
        @Override
        public Object in(Scope scope) {
            StringBuilder out = new StringBuilder();
            for (Expression part : parts) {
                out.append(PythonValue.text(part.in(scope)));
                TemplateLimits.text(out.length());
            }
            return out.toString();
        }
    }

    /** A chain: each operand is compared with the next. */
    record Comparison(Expression first, List<String> operators, List<Expression> others)
            implements Expression {
        @Override
        public Object in(Scope scope) {
            Object left = first.in(scope);
            for (int i = 0; i < operators.size(); i++) {
                Object right = others.get(i).in(scope);
                if (!TemplateTests.compare(operators.get(i), left, right)) {
                    return false;
                }
                left = right;
            }
            return true;
        }
    }

    record And(Expression left, Expression right) implements Expression {
        @Override
        public Object in(Scope scope) {
            Object value = left.in(scope);
            return PythonValue.truth(value) ? right.in(scope) : value;
        }
    }

    record Or(Expression left, Expression right) implements Expression {
        @Override
        public Object in(Scope scope) {
            Object value = left.in(scope);
            return PythonValue.truth(value) ? value : right.in(scope);
        }
    }

    record Not(Expression value) implements Expression {
        @Override
        public Object in(Scope scope) {
            return !PythonValue.truth(value.in(scope));
        }
    }

    record Conditional(Expression value, Expression condition, @Nullable Expression otherwise)
            implements Expression {
        @Override
        public Object in(Scope scope) {
            if (PythonValue.truth(condition.in(scope))) {
                return value.in(scope);
            }
            return otherwise == null
                    ? new Undefined("the condition does not hold, and there is no else")
                    : otherwise.in(scope);
        }
    }

    record ListOf(List<Expression> items, boolean tuple) implements Expression {
        @Override
        public Object in(Scope scope) {
            List<Object> values = new ArrayList<>(items.size());
            for (Expression item : items) {
                values.add(item.in(scope));
            }
            return tuple ? new Tuple(values) : values;
        }
    }

    record MapOf(List<Expression> keys, List<Expression> values) implements Expression {
        @Override
        public Object in(Scope scope) {
            Map<Object, Object> map = new LinkedHashMap<>();
            for (int i = 0; i < keys.size(); i++) {
                map.put(key(keys.get(i).in(scope)), values.get(i).in(scope));
            }
            return map;
        }

        private static Object key(Object key) {
            if (key instanceof String || key instanceof Long) {
                return key;
            }
            throw new TemplateFault(PythonValue.kind(key) + " as a key is not supported");
        }
    }
}
