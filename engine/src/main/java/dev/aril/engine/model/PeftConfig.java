package dev.aril.engine.model;

import static dev.aril.engine.model.PeftFields.rejected;

import dev.aril.engine.AdapterRejected;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * What an {@code adapter_config.json} means for each module of the model.
 *
 * @see <a href="https://huggingface.co/docs/peft/package_reference/lora">PEFT's LoraConfig</a>
 */
final class PeftConfig {
    static final int MAX_RANK = 256;
    private static final int MOST_PATTERNS = 1024;

    /** Of all expressions together: they are run for each of a large model's 500 modules. */
    private static final int LARGEST_PROGRAMS = 8 << 10;

    /** PEFT's own choice for all these families when {@code target_modules} is null. */
    private static final List<String> DEFAULT_TARGETS = List.of("q_proj", "v_proj");

    /** A value for the modules that a pattern names. */
    private record Rule(UntrustedPattern pattern, double value) {}

    private final ModuleSet targets;
    private final ModuleSet excluded;
    private final List<Integer> layers;
    private final List<String> layersPattern;
    private final int rank;
    private final double alpha;
    private final boolean rankStabilized;
    private final List<Rule> ranks;
    private final List<Rule> alphas;

    private PeftConfig(PeftFields fields) throws AdapterRejected {
        targets =
                fields.has("target_modules")
                        ? modules(fields, "target_modules")
                        : new ModuleSet.Names(DEFAULT_TARGETS);
        excluded =
                fields.has("exclude_modules") ? modules(fields, "exclude_modules") : ModuleSet.NONE;
        layers = fields.wholes("layers_to_transform");
        layersPattern =
                fields.isString("layers_pattern")
                        ? fields.string("layers_pattern").stream()
                                .filter(s -> !s.isEmpty())
                                .toList()
                        : fields.strings("layers_pattern");
        rank = rank("r", fields.whole("r").orElse(8));
        alpha = fields.number("lora_alpha").orElse(8);
        rankStabilized = fields.flag("use_rslora");
        ranks = rules(fields, "rank_pattern");
        alphas = rules(fields, "alpha_pattern");
        for (Rule rule : ranks) {
            if (rule.value() != Math.rint(rule.value())) {
                throw rejected("rank_pattern must hold whole numbers");
            }
            rank("rank_pattern", (int) rule.value());
        }
        if (ranks.size() + alphas.size() > MOST_PATTERNS
                || programs(ranks) + programs(alphas) > LARGEST_PROGRAMS) {
            throw rejected(
                    "rank_pattern and alpha_pattern are too large: at most "
                            + MOST_PATTERNS
                            + " patterns are read, few of them other than plain names");
        }
        checkLayers();
    }

    static PeftConfig parse(byte[] file) throws AdapterRejected {
        return new PeftConfig(PeftFields.parse(file));
    }

    /** Does the adapter change this module? */
    boolean targets(int layer, Projection projection) {
        String path = projection.path(layer);
        if (excluded.contains(path)) {
            return false;
        }
        // A module listed by its full name escapes layers_to_transform, as it does in PEFT.
        return targets.contains(path)
                && (layers.isEmpty()
                        || targets instanceof ModuleSet.Names names && names.inFull(path)
                        || layersPatternFits() && layers.contains(layer));
    }

    /** Does it name a module outside the decoder layers, which cannot be adapted here? */
    boolean targets(String path) {
        if (excluded.contains(path)) {
            return false;
        }
        return targets instanceof ModuleSet.Names names
                ? names.inFull(path) || names.byEnding(path) && layers.isEmpty()
                : targets.contains(path);
    }

    /** From 1 to {@value #MAX_RANK}. */
    int rank(String path) {
        return (int) first(ranks, path).orElse(rank);
    }

    /** alpha / rank, or alpha / sqrt(rank) with rsLoRA. */
    float scaling(String path) throws AdapterRejected {
        double a = first(alphas, path).orElse(alpha);
        int r = rank(path);
        float scaling = (float) (rankStabilized ? a / Math.sqrt(r) : a / r);
        if (!Float.isFinite(scaling)) {
            throw rejected("lora_alpha " + a + " is too large for single precision");
        }
        return scaling;
    }

    private static OptionalDouble first(List<Rule> rules, String path) {
        for (Rule rule : rules) {
            if (rule.pattern().matches(path)) {
                return OptionalDouble.of(rule.value());
            }
        }
        return OptionalDouble.empty();
    }

    private static ModuleSet modules(PeftFields fields, String field) throws AdapterRejected {
        if (!fields.isString(field)) {
            return new ModuleSet.Names(fields.strings(field));
        }
        String text = fields.string(field).orElse("");
        if (field.equals("target_modules") && text.equalsIgnoreCase("all-linear")) {
            return new ModuleSet.AllLinear();
        }
        return text.isEmpty()
                ? ModuleSet.NONE
                : new ModuleSet.Expression(UntrustedPattern.whole(field, text));
    }

    private static List<Rule> rules(PeftFields fields, String field) throws AdapterRejected {
        List<Rule> out = new ArrayList<>();
        for (Map.Entry<String, Double> e : fields.numbers(field)) {
            out.add(new Rule(UntrustedPattern.suffix(field, e.getKey()), e.getValue()));
        }
        return List.copyOf(out);
    }

    private static long programs(List<Rule> rules) {
        return rules.stream().mapToLong(r -> r.pattern().size()).sum();
    }

    private static int rank(String field, int value) throws AdapterRejected {
        if (value < 1 || value > MAX_RANK) {
            throw rejected(field + " must be from 1 to " + MAX_RANK + ", not " + value);
        }
        return value;
    }

    private void checkLayers() throws AdapterRejected {
        if (!layersPattern.isEmpty() && layers.isEmpty()) {
            throw rejected("layers_pattern needs layers_to_transform");
        }
        if (!layers.isEmpty() && !(targets instanceof ModuleSet.Names)) {
            throw rejected("layers_to_transform needs target_modules to be a list of names");
        }
        for (String pattern : layersPattern) {
            if (!pattern.matches("[A-Za-z0-9_]{1,64}")) {
                throw rejected(
                        "layers_pattern must hold plain names such as \"layers\", not \""
                                + Printable.of(pattern)
                                + "\"");
            }
        }
    }

    private boolean layersPatternFits() {
        return layersPattern.isEmpty() || layersPattern.contains("layers");
    }
}
