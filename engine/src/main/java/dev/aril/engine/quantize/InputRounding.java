package dev.aril.engine.quantize;

import dev.aril.engine.kernels.InputSpec;
import java.util.stream.IntStream;

/** What rounding a projection's input costs, measured on some of its rows. */
final class InputRounding {
    private final float[] samples;
    private final int rows;
    private final int columns;

    /**
     * @param spec only its order, groups and rotation count
     */
    InputRounding(SecondMoment moment, InputSpec spec) {
        this.samples = moment.arrangedSamples(spec);
        this.rows = moment.sampled();
        this.columns = moment.columns();
    }

    /** x̂ - x, [columns, rows]. */
    private float[] errors(InputSpec spec) {
        float[] errors = new float[samples.length];
        IntStream.range(0, rows)
                .parallel()
                .forEach(r -> {
                    float[] row = new float[columns];
                    System.arraycopy(samples, r * columns, row, 0, columns);
                    spec.round(row, columns);
                    for (int c = 0; c < columns; c++) {
                        errors[c * rows + r] = row[c] - samples[r * columns + c];
                    }
                });
        return errors;
    }

    /** The mean square of each channel's error; a rotated group's channels are alike. */
    float[] noise(InputSpec spec) {
        float[] errors = errors(spec);
        float[] noise = new float[columns];
        for (int c = 0; c < columns; c++) {
            double sum = 0;
            for (int r = 0; r < rows; r++) {
                sum += (double) errors[c * rows + r] * errors[c * rows + r];
            }
            noise[c] = (float) (sum / Math.max(1, rows));
        }
        if (spec.rotated()) {
            for (int g = 0; g < spec.groups(columns); g++) {
                double mean = 0;
                for (int j = 0; j < spec.group(); j++) {
                    mean += noise[g * spec.group() + j] / spec.group();
                }
                for (int j = 0; j < spec.group(); j++) {
                    noise[g * spec.group() + j] = (float) mean;
                }
            }
        }
        return noise;
    }
}
