package dev.aril.engine.measure;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * How requests divide among adapters: the four ways of Punica (arXiv 2310.18547, section 7), and
 * without adapters.
 */
enum Popularity {
    /** The base model alone. */
    NONE,
    /** All requests have the same adapter. */
    IDENTICAL,
    /** As many adapters as the square root of the requests, equally popular. */
    UNIFORM,
    /** Each adapter is 1.5 times as popular as the next: Punica's Zipf-1.5. */
    SKEWED,
    /** Each request has an adapter of its own. */
    DISTINCT;

    private static final double ALPHA = 1.5;

    /** As users write it. */
    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * @throws IllegalArgumentException naming what there is
     */
    static Popularity named(String label) {
        for (Popularity popularity : values()) {
            if (popularity.label().equals(label)) {
                return popularity;
            }
        }
        throw new IllegalArgumentException(
                "--popularity must be some of "
                        + Arrays.stream(values())
                                .map(Popularity::label)
                                .collect(Collectors.joining(","))
                        + ", not \""
                        + label
                        + "\"");
    }

    /**
     * @return how many requests each adapter has, the most popular first; empty without adapters
     */
    int[] counts(int requests) {
        return switch (this) {
            case NONE -> new int[0];
            case IDENTICAL -> new int[] {requests};
            case DISTINCT -> {
                int[] counts = new int[requests];
                Arrays.fill(counts, 1);
                yield counts;
            }
            case UNIFORM -> {
                int[] counts = new int[(int) Math.ceil(Math.sqrt(requests))];
                Arrays.setAll(
                        counts,
                        i -> requests / counts.length + (i < requests % counts.length ? 1 : 0));
                yield counts;
            }
            case SKEWED -> skewed(requests);
        };
    }

    /** The least popular has one request; what is left over goes to one more adapter. */
    private static int[] skewed(int requests) {
        int[] ascending = new int[requests];
        int adapters = 0;
        int left = requests;
        for (double size = 1; left > 0; size *= ALPHA) {
            int whole = (int) size;
            ascending[adapters] = whole < left ? whole : left;
            left -= ascending[adapters++];
        }
        int[] sorted = Arrays.copyOf(ascending, adapters);
        Arrays.sort(sorted);
        int[] counts = new int[adapters];
        Arrays.setAll(counts, i -> sorted[sorted.length - 1 - i]);
        return counts;
    }
}
