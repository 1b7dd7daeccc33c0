package dev.aril.engine.measure;

import java.util.Locale;
import java.util.Random;

/** How many tokens prompts or outputs have. */
sealed interface Lengths {
    /** At least 1. */
    int draw(Random random);

    /** All alike. */
    record Fixed(int tokens) implements Lengths {
        @Override
        public int draw(Random random) {
            return tokens;
        }

        @Override
        public String toString() {
            return Integer.toString(tokens);
        }
    }

    /** Few long ones among many short ones, as conversations are. */
    record LogNormal(double median, double sigma) implements Lengths {
        @Override
        public int draw(Random random) {
            double length = median * Math.exp(sigma * random.nextGaussian());
            return Math.clamp(Math.round(length), 1, 1 << 20);
        }

        @Override
        public String toString() {
            return String.format(Locale.ROOT, "lognormal:%s:%s", median, sigma);
        }
    }

    /** Every length from the first to the last is as likely. */
    record Uniform(int first, int last) implements Lengths {
        @Override
        public int draw(Random random) {
            return first + random.nextInt(last - first + 1);
        }

        @Override
        public String toString() {
            return "uniform:" + first + ":" + last;
        }
    }

    /**
     * @param flag what it was given for
     * @throws IllegalArgumentException saying what can be written
     */
    static Lengths parse(String flag, String text) {
        String[] parts = text.split(":", -1);
        try {
            if (parts.length == 1) {
                int tokens = Integer.parseInt(text);
                if (tokens >= 1) {
                    return new Fixed(tokens);
                }
            } else if (parts.length == 3 && parts[0].equals("lognormal")) {
                double median = Double.parseDouble(parts[1]);
                double sigma = Double.parseDouble(parts[2]);
                if (median >= 1 && sigma >= 0 && sigma <= 4) {
                    return new LogNormal(median, sigma);
                }
            } else if (parts.length == 3 && parts[0].equals("uniform")) {
                int first = Integer.parseInt(parts[1]);
                int last = Integer.parseInt(parts[2]);
                if (first >= 1 && last >= first && last < Integer.MAX_VALUE) {
                    return new Uniform(first, last);
                }
            }
        } catch (NumberFormatException e) {
            // told below, with all that can be written
        }
        throw new IllegalArgumentException(
                flag
                        + " must be a number of tokens, lognormal:MEDIAN:SIGMA with a sigma of at"
                        + " most 4, or uniform:FIRST:LAST, not \""
                        + text
                        + "\"");
    }
}
