package dev.aril.engine.schedule;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Which ids a sequence holds, and how often its completion does: what penalties ask of every step,
 * kept up with each id instead of counted anew. The arrays have no unused room, so that a step
 * takes them as they are; they grow when an id is new, which becomes rare.
 */
public final class Tally {
    private final Map<Integer, Integer> places = new HashMap<>();
    private int[] ids;
    private int[] counts;

    Tally(int[] prompt) {
        int[] different = Arrays.stream(prompt).distinct().toArray();
        for (int i = 0; i < different.length; i++) {
            places.put(different[i], i);
        }
        ids = different;
        counts = new int[different.length];
    }

    void sampled(int id) {
        Integer place = places.putIfAbsent(id, ids.length);
        if (place != null) {
            counts[place]++;
            return;
        }
        ids = Arrays.copyOf(ids, ids.length + 1);
        counts = Arrays.copyOf(counts, ids.length);
        ids[ids.length - 1] = id;
        counts[ids.length - 1] = 1;
    }

    /** The different ids of prompt and completion; not a copy. */
    public int[] ids() {
        return ids;
    }

    /** [ids] how often the completion holds each; not a copy. */
    public int[] counts() {
        return counts;
    }
}
