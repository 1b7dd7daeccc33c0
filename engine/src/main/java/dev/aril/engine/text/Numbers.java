package dev.aril.engine.text;

/**
 * Python's arithmetic: truth values count, division rounds down, a whole number has 64 bits here.
 */
final class Numbers {
    private Numbers() {}

    static int compare(Object a, Object b) {
        if (a instanceof Double || b instanceof Double) {
            double x = real(a);
            double y = real(b);
            return x < y ? -1 : x == y ? 0 : 1;
        }
        return Long.compare(whole(a), whole(b));
    }

    /**
     * @param operator one of {@code + - * / // % **}
     */
    static Object apply(String operator, Object a, Object b) {
        try {
            if (a instanceof Double || b instanceof Double || operator.equals("/")) {
                return real(operator, real(a), real(b));
            }
            return whole(operator, whole(a), whole(b));
        } catch (ArithmeticException e) {
            throw new TemplateFault(a + " " + operator + " " + b + " has no value here");
        }
    }

    private static Object real(String operator, double a, double b) {
        if (b == 0 && "/ // %".contains(operator)) {
            throw new TemplateFault("division by zero");
        }
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / b;
            case "//" -> Math.floor(a / b);
            case "%" -> a - b * Math.floor(a / b);
            default -> Math.pow(a, b);
        };
    }

    private static Object whole(String operator, long a, long b) {
        return switch (operator) {
            case "+" -> Math.addExact(a, b);
            case "-" -> Math.subtractExact(a, b);
            case "*" -> Math.multiplyExact(a, b);
            case "//" -> Math.floorDiv(a, b);
            case "%" -> Math.floorMod(a, b);
            default -> {
                if (b < 0) {
                    yield Math.pow(a, b);
                }
                if (b > 64) {
                    throw new ArithmeticException();
                }
                long power = 1;
                for (long i = 0; i < b; i++) {
                    power = Math.multiplyExact(power, a);
                }
                yield power;
            }
        };
    }

    static Object negative(Object a) {
        return a instanceof Double d ? (Object) (-d) : apply("-", 0L, a);
    }

    static double real(Object a) {
        return a instanceof Double d ? d : (double) whole(a);
    }

    /** A whole number, or an error. */
    static long whole(Object a) {
        return switch (a) {
            case Long n -> n;
            case Boolean b -> b ? 1 : 0;
            case Undefined missing -> throw missing.fault();
            default -> throw new TemplateFault(PythonValue.kind(a) + " is not a whole number");
        };
    }
}
