package dev.aril.engine.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.AdapterRejected;
import dev.aril.engine.Device;
import dev.aril.engine.ModelImport;
import dev.aril.engine.Progress;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What quantizing costs the demonstration model and its adapters, on text none of them has seen.
 */
class EvaluationTest {
    private static final Path MODEL = Path.of("../models/novella-11m");
    private static final Progress SILENT = Progress.lines(line -> {});

    @TempDir private static Path folder;

    @BeforeAll
    static void importOnce() throws IOException {
        Path calibration = MODEL.resolve("text/calibration.txt");
        for (String recipe : new String[] {"bf16", "w4a4"}) {
            ModelImport.run(MODEL, calibration, recipe, folder.resolve(recipe), line -> {});
        }
    }

    /** The control is transformers' figure in fp32; the model's README has it and the protocol. */
    @Test
    void aWholeTextByTheProtocol() throws Exception {
        Perplexity control = perplexity("bf16", null, "pride");
        assertThat(control.tokens()).isEqualTo(60_000);
        assertThat(control.value()).isCloseTo(18.150, within(0.01));
        assertThat(perplexity("w4a4", null, "pride").value() / control.value())
                .isBetween(1.03, 1.08);
    }

    /**
     * An adapter lowers the quantized model's perplexity nearly as much as the plain one's. The
     * texts are short: what chance does to an import moves the share by some hundredths.
     */
    @ParameterizedTest
    @CsvSource({"sherlock, 0.5", "shakespeare, 3"})
    void adaptersKeepTheirWorth(String adapter, double leastGain) throws Exception {
        double plain = gain("bf16", adapter);
        assertThat(plain).isGreaterThan(leastGain);
        assertThat(gain("w4a4", adapter) / plain).isGreaterThan(0.85);
    }

    private static double gain(String recipe, String adapter) throws Exception {
        return perplexity(recipe, null, adapter).value()
                - perplexity(recipe, adapter, adapter).value();
    }

    private static Perplexity perplexity(String recipe, @Nullable String adapter, String text)
            throws IOException, AdapterRejected {
        Path files = adapter == null ? null : MODEL.resolve("adapters").resolve(adapter);
        try (Evaluation evaluation = Evaluation.open(folder.resolve(recipe), files, Device.CPU)) {
            return evaluation.perplexity(MODEL.resolve("text/heldout-" + text + ".txt"), SILENT);
        }
    }
}
