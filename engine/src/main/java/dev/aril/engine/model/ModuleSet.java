package dev.aril.engine.model;

import java.util.List;
import java.util.Set;

/** Which modules a {@code target_modules} or {@code exclude_modules} names, by PEFT's rules. */
sealed interface ModuleSet {
    /** A list: full names, or their last parts. */
    record Names(List<String> names) implements ModuleSet {
        public Names {
            names = List.copyOf(names);
        }

        boolean inFull(String path) {
            return names.contains(path);
        }

        boolean byEnding(String path) {
            return names.stream()
                    .anyMatch(n ->
                            path.length() > n.length()
                                    && path.endsWith(n)
                                    && path.charAt(path.length() - n.length() - 1) == '.');
        }
    }

    /** A string: a regular expression that the full name matches. */
    record Expression(UntrustedPattern pattern) implements ModuleSet {}

    /** {@code "all-linear"}: every linear map except the output head. */
    record AllLinear() implements ModuleSet {
        private static final Set<String> OTHERS = Set.of("model.embed_tokens", "lm_head");
    }

    /** Nothing; the meaning of an absent {@code exclude_modules}. */
    ModuleSet NONE = new Names(List.of());

    default boolean contains(String path) {
        return switch (this) {
            case Names n -> n.inFull(path) || n.byEnding(path);
            case Expression e -> e.pattern().matches(path);
            case AllLinear _ -> !AllLinear.OTHERS.contains(path);
        };
    }
}
