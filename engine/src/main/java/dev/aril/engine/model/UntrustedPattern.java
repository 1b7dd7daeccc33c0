package dev.aril.engine.model;

import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import dev.aril.engine.AdapterRejected;
import java.util.function.Predicate;
import java.util.regex.Matcher;

/**
 * A regular expression out of an uploaded file. RE2 matches in time linear in pattern and text;
 * what the pattern itself may cost (stack while parsing, memory for counted repetition) is bounded
 * before it is compiled, and its program afterwards.
 */
final class UntrustedPattern {
    private static final int LONGEST = 512;
    private static final int DEEPEST = 32;
    private static final int MOST_REPEATS = 100;
    private static final int LARGEST_PROGRAM = 2000;
    private static final java.util.regex.Pattern REPEAT =
            java.util.regex.Pattern.compile("\\{(\\d*),?(\\d*)");

    /** Letters, digits and dots: what nearly all real patterns are made of. */
    private static final java.util.regex.Pattern SIMPLE =
            java.util.regex.Pattern.compile("[A-Za-z0-9_.]+");

    private final Predicate<String> test;
    private final int size;

    private UntrustedPattern(Predicate<String> test, int size) {
        this.test = test;
        this.size = size;
    }

    /** Matches whole names, as Python's {@code re.fullmatch(source, name)}. */
    static UntrustedPattern whole(String field, String source) throws AdapterRejected {
        return compile(field, source, "(?:" + checked(field, source) + ")");
    }

    /** Matches names or their ends, as PEFT does: {@code re.match(r"(.*\.)?(source)$", name)}. */
    static UntrustedPattern suffix(String field, String source) throws AdapterRejected {
        if (SIMPLE.matcher(source).matches()) {
            return new UntrustedPattern(name -> endsWith(name, source), 0);
        }
        return compile(field, source, "(.*\\.)?(" + checked(field, source) + ")");
    }

    boolean matches(String name) {
        return test.test(name);
    }

    /** Instructions: what matching costs for each character; 0 if next to nothing. */
    int size() {
        return size;
    }

    /** A dot in the source stands for any character, as in the expression that it is. */
    private static boolean endsWith(String name, String source) {
        int start = name.length() - source.length();
        if (start < 0 || start > 0 && name.charAt(start - 1) != '.') {
            return false;
        }
        for (int i = 0; i < source.length(); i++) {
            if (source.charAt(i) != '.' && source.charAt(i) != name.charAt(start + i)) {
                return false;
            }
        }
        return true;
    }

    private static UntrustedPattern compile(String field, String source, String full)
            throws AdapterRejected {
        try {
            Pattern pattern = Pattern.compile(full);
            if (pattern.programSize() > LARGEST_PROGRAM) {
                throw tooComplex(field);
            }
            return new UntrustedPattern(
                    name -> pattern.matcher(name).matches(), pattern.programSize());
        } catch (PatternSyntaxException e) {
            throw PeftFields.rejected(
                    field
                            + " has the regular expression \""
                            + Printable.of(source)
                            + "\", which is not read here ("
                            + Printable.of(e.getDescription())
                            + "): use RE2 syntax, without lookaround or back-references");
        }
    }

    private static String checked(String field, String source) throws AdapterRejected {
        if (source.length() > LONGEST) {
            throw PeftFields.rejected(
                    field
                            + " has a regular expression of "
                            + source.length()
                            + " characters; at most "
                            + LONGEST
                            + " are read");
        }
        int depth = 0;
        for (int i = 0; i < source.length(); i++) {
            depth += source.charAt(i) == '(' ? 1 : source.charAt(i) == ')' ? -1 : 0;
            if (depth > DEEPEST) {
                throw tooComplex(field);
            }
        }
        long repeats = 1;
        for (Matcher m = REPEAT.matcher(source); m.find(); ) {
            repeats *= Math.max(1, Math.max(count(m.group(1)), count(m.group(2))));
            if (repeats > MOST_REPEATS) {
                throw tooComplex(field);
            }
        }
        return source;
    }

    private static long count(String digits) {
        // Longer numbers are far over the limit and need not be parsed.
        return digits.isEmpty() ? 0 : digits.length() > 6 ? 1_000_000 : Long.parseLong(digits);
    }

    private static AdapterRejected tooComplex(String field) {
        return PeftFields.rejected(
                field
                        + " has a regular expression that is too complex: nest at most "
                        + DEEPEST
                        + " parentheses, and let counted repetitions multiply to at most "
                        + MOST_REPEATS);
    }
}
