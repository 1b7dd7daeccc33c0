package dev.aril.engine.schedule;

import java.util.Arrays;

/**
 * The distinct ids of a sequence, in the order in which they first came, and how often its
 * completion holds each. Adding one is a look-up, however long the sequence is.
 */
public final class TokenCounts {
    private int[] ids = new int[16];
    private int[] counts = new int[16];
    private int size;

    /** An open hash table: one more than an id's place, 0 where nothing is; at most half full. */
    private int[] places = new int[64];

    void add(int id, boolean inCompletion) {
        int at = slot(id);
        if (places[at] == 0) {
            if (2 * (size + 1) > places.length) {
                grow();
                at = slot(id);
            }
            if (size == ids.length) {
                ids = Arrays.copyOf(ids, 2 * size);
                counts = Arrays.copyOf(counts, 2 * size);
            }
            ids[size] = id;
            places[at] = ++size;
        }
        if (inCompletion) {
            counts[places[at] - 1]++;
        }
    }

    /** Where an id is, or would be put. */
    private int slot(int id) {
        int mask = places.length - 1;
        int at = (id * 0x9E3779B9 >>> 8) & mask; // neighbouring ids far apart
        while (places[at] != 0 && ids[places[at] - 1] != id) {
            at = at + 1 & mask;
        }
        return at;
    }

    private void grow() {
        places = new int[2 * places.length];
        for (int i = 0; i < size; i++) {
            places[slot(ids[i])] = i + 1;
        }
    }

    /** A copy. */
    public int[] ids() {
        return Arrays.copyOf(ids, size);
    }

    /** A copy, an entry for each of {@link #ids}; 0 for those that only the prompt holds. */
    public int[] counts() {
        return Arrays.copyOf(counts, size);
    }
}
