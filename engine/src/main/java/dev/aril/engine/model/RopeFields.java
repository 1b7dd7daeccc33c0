package dev.aril.engine.model;

import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * What {@code config.json} says of the rotary embedding: {@code rope_theta} and {@code
 * rope_scaling}, or both in the newer {@code rope_parameters}; the kind under {@code rope_type} or
 * the older {@code type}.
 */
record RopeFields(double theta, RopeScaling scaling) {
    private static final Set<String> OF_ALL =
            Set.of("rope_theta", "rope_type", "type", "partial_rotary_factor");

    private static final Set<String> OF_STRETCHED = Set.of("factor");

    private static final Set<String> OF_DYNAMIC =
            Set.of("factor", "original_max_position_embeddings");

    private static final Set<String> OF_LLAMA3 =
            Set.of(
                    "factor",
                    "low_freq_factor",
                    "high_freq_factor",
                    "original_max_position_embeddings");

    /**
     * @param theta where the configuration has none
     */
    static RopeFields of(ConfigFields config, double theta) {
        boolean older = config.has("rope_scaling");
        boolean newer = config.has("rope_parameters");
        double top = config.number("rope_theta", theta);
        if (!older && !newer) {
            return new RopeFields(top, RopeScaling.NONE);
        }
        JsonNode both = config.object().path("rope_parameters");
        if (older && newer && !both.equals(config.object().path("rope_scaling"))) {
            throw config.unsupported(
                    "rope_scaling", "rope_parameters says otherwise; keep the one that holds");
        }
        ConfigFields rope = config.object(newer ? "rope_parameters" : "rope_scaling");
        if (rope.has("rope_theta")
                && config.has("rope_theta")
                && rope.number("rope_theta") != top) {
            throw rope.unsupported(
                    "rope_theta", "rope_theta outside says otherwise; keep the one that holds");
        }
        return new RopeFields(rope.number("rope_theta", top), scaling(rope, kind(rope), config));
    }

    private static String kind(ConfigFields rope) {
        String kind =
                rope.optionalText("rope_type")
                        .or(() -> rope.optionalText("type"))
                        .orElse("default");
        if (!rope.optionalText("type").orElse(kind).equals(kind)) {
            throw rope.unsupported("type", "rope_type says otherwise; keep the one that holds");
        }
        return kind;
    }

    private static RopeScaling scaling(ConfigFields rope, String kind, ConfigFields config) {
        return switch (kind) {
            case "default" -> {
                refuseOthers(rope, Set.of());
                yield RopeScaling.NONE;
            }
            case "linear" -> {
                refuseOthers(rope, OF_STRETCHED);
                yield new RopeScaling.Linear(factor(rope));
            }
            case "dynamic" -> {
                refuseOthers(rope, OF_DYNAMIC);
                int original = config.positive("max_position_embeddings");
                if (rope.positive("original_max_position_embeddings", original) != original) {
                    throw rope.unsupported(
                            "original_max_position_embeddings",
                            "with dynamic scaling it must be max_position_embeddings");
                }
                yield new RopeScaling.Dynamic(factor(rope), original);
            }
            case "llama3" -> {
                refuseOthers(rope, OF_LLAMA3);
                double low = rope.number("low_freq_factor");
                double high = rope.number("high_freq_factor");
                if (high <= low) {
                    throw rope.wrong("high_freq_factor", "must be more than low_freq_factor");
                }
                yield new RopeScaling.Llama3(
                        factor(rope), low, high, rope.positive("original_max_position_embeddings"));
            }
            default ->
                    throw rope.unsupported(
                            rope.has("rope_type") ? "rope_type" : "type",
                            "default, linear, dynamic and llama3 are");
        };
    }

    private static double factor(ConfigFields rope) {
        double factor = rope.number("factor");
        if (factor < 1) {
            throw rope.wrong("factor", "must be at least 1");
        }
        return factor;
    }

    private static void refuseOthers(ConfigFields rope, Set<String> own) {
        for (String name : rope.object().propertyNames()) {
            if (rope.has(name) && !OF_ALL.contains(name) && !own.contains(name)) {
                throw rope.unsupported(name, "nothing is known of it for this kind of rope");
            }
        }
        if (rope.number("partial_rotary_factor", 1) != 1) {
            throw rope.unsupported("partial_rotary_factor", "1 is");
        }
    }

    /**
     * Positions that a model of so many {@code max_position_embeddings} serves. Dynamic scaling
     * acts beyond these only; the others' already count their stretched context.
     */
    int context(int positions) {
        return scaling instanceof RopeScaling.Dynamic dynamic
                ? (int) Math.min(Integer.MAX_VALUE, (long) (positions * dynamic.factor()))
                : positions;
    }
}
