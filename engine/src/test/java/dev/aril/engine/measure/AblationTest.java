package dev.aril.engine.measure;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.Progress;
import dev.aril.engine.quantize.AblationRecipe;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The table of recipes on a few thousand tokens: the order of its lines, and bounds that a broken
 * step does not meet. {@code ./aril evaluate --ablation} has the figures on whole texts.
 */
class AblationTest {
    private static final Path MODEL = Path.of("../models/novella-11m");

    @Test
    void eachStepIsWorthWhatItShouldBe(@TempDir Path folder) throws IOException {
        Path calibration = start("calibration.txt", 8_000, folder);
        Path text = start("heldout-pride.txt", 12_000, folder);
        List<AblationRecipe> recipes =
                IntStream.of(0, 1, 2, 3, 6, 10, 11).mapToObj(AblationRecipe.all()::get).toList();
        Map<String, Double> ratios = new LinkedHashMap<>();
        double[] control = {0};
        Ablation.run(
                MODEL,
                calibration,
                recipes,
                List.of(text),
                Progress.lines(line -> {}),
                line -> {
                    double value = line.perplexities().getFirst().value();
                    control[0] = control[0] == 0 ? value : control[0];
                    ratios.put(line.label(), value / control[0]);
                });
        assertThat(ratios).hasSize(recipes.size());
        double channel = ratio(ratios, "per channel");
        double groups = ratio(ratios, "groups of 128");
        double outliers = ratio(ratios, "outlier channels");
        double atom = ratio(ratios, "atom");
        double w4a4 = ratio(ratios, "w4a4");
        double w4a8 = ratio(ratios, "w4a8");
        assertThat(channel).isBetween(3.0, 4.6);
        assertThat(groups).isBetween(1.35, 1.7);
        assertThat(outliers).isBetween(1.07, 1.22);
        assertThat(atom).isBetween(w4a4, 1.2);
        assertThat(w4a4).isBetween(1.02, 1.1);
        assertThat(w4a8).isBetween(1.005, w4a4);
    }

    private static Path start(String name, int characters, Path folder) throws IOException {
        String text = Files.readString(MODEL.resolve("text").resolve(name));
        return Files.writeString(folder.resolve(name), text.substring(0, characters));
    }

    /** Of the first line that says so. */
    private static double ratio(Map<String, Double> ratios, String label) {
        return ratios.entrySet().stream()
                .filter(line -> line.getKey().contains(label))
                .mapToDouble(Map.Entry::getValue)
                .findFirst()
                .orElseThrow();
    }
}
