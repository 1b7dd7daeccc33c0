package dev.aril.engine.schedule;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Which ids a sequence holds, and how often its completion does: what penalties ask of every step,
 * kept up with each id instead of counted anew.
 */
public final class Tally {
    private final Map<Integer, Integer> places = new HashMap<>();
    private int[] ids;
    private int[] counts;
    private int size;

    Tally(int[] prompt) {
        ids = new int[prompt.length];
        counts = new int[prompt.length];
        for (int id : prompt) {
            place(id);
        }
    }

    void sampled(int id) {
        int place = place(id); // may put another array in counts' place
        counts[place]++;
    }

    private int place(int id) {
        Integer known = places.putIfAbsent(id, size);
        if (known != null) {
            return known;
        }
        if (size == ids.length) {
            ids = Arrays.copyOf(ids, 2 * size + 16);
            counts = Arrays.copyOf(counts, ids.length);
        }
        ids[size] = id;
        return size++;
    }

    /** The different ids of prompt and completion, a copy. */
    public int[] ids() {
        return Arrays.copyOf(ids, size);
    }

    /** How often the completion holds each of {@link #ids}, a copy. */
    public int[] counts() {
        return Arrays.copyOf(counts, size);
    }
}
