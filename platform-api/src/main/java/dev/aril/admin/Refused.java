package dev.aril.admin;

import java.util.function.Supplier;
import org.springframework.http.HttpStatus;

/** What another room refuses becomes an answer that names the field. */
final class Refused {
    private Refused() {}

    /** An {@link IllegalArgumentException} of this work is about this field. */
    static <T> T by(String field, Supplier<T> work) {
        try {
            return work.get();
        } catch (IllegalArgumentException e) {
            throw Fields.refused(field, sentence(e), null);
        }
    }

    static void by(String field, Runnable work) {
        by(
                field,
                () -> {
                    work.run();
                    return true;
                });
    }

    static AdminRefusal absent(String what) {
        return new AdminRefusal(
                new AdminProblem(
                        HttpStatus.NOT_FOUND,
                        "absent",
                        "There is no such " + what + ".",
                        what,
                        null,
                        null,
                        null));
    }

    /** Well-formed, but not as things stand. */
    static AdminRefusal conflict(String field, Throwable e) {
        return new AdminRefusal(
                new AdminProblem(
                        HttpStatus.CONFLICT, "conflict", sentence(e), field, null, null, null));
    }

    static String sentence(Throwable e) {
        String text = String.valueOf(e.getMessage());
        return text.endsWith(".") ? text : text + ".";
    }
}
