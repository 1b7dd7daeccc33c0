package dev.aril.engine.measure;

import dev.aril.engine.model.ModelConfig;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;

/** Models whose shapes random weights are made in. */
enum Shape {
    LLAMA_2_7B(
            "llama-2-7b",
            new ModelConfig(
                    4096, 11008, 32, 32, 32, 128, 32000, 4096, 10_000, 1e-5f, false, 1, Set.of(2))),
    LLAMA_3_8B(
            "llama-3-8b",
            new ModelConfig(
                    4096,
                    14336,
                    32,
                    32,
                    8,
                    128,
                    128256,
                    8192,
                    500_000,
                    1e-5f,
                    false,
                    128000,
                    Set.of(128001))),
    LLAMA_3_2_1B(
            "llama-3.2-1b",
            new ModelConfig(
                    2048,
                    8192,
                    16,
                    32,
                    8,
                    64,
                    128256,
                    131072,
                    500_000,
                    1e-5f,
                    true,
                    128000,
                    Set.of(128001))),
    NOVELLA_11M(
            "novella-11m",
            new ModelConfig(384, 1024, 6, 6, 2, 64, 4096, 1024, 10_000, 1e-5f, true, 1, Set.of(2)));

    private final String label;
    private final ModelConfig config;

    Shape(String label, ModelConfig config) {
        this.label = label;
        this.config = config;
    }

    /** As users write it. */
    String label() {
        return label;
    }

    ModelConfig config() {
        return config;
    }

    /**
     * @throws IllegalArgumentException naming the shapes there are
     */
    static Shape named(String label) {
        for (Shape shape : values()) {
            if (shape.label.equals(label)) {
                return shape;
            }
        }
        throw new IllegalArgumentException(
                "--shape must be some of "
                        + Arrays.stream(values()).map(Shape::label).collect(Collectors.joining(","))
                        + ", not \""
                        + label
                        + "\"");
    }
}
