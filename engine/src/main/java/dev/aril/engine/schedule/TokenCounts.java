package dev.aril.engine.schedule;

import java.util.Arrays;

/**
 * The distinct ids of a sequence, in the order in which they first came, and how often its
 * completion holds each. Adding one is a look-up, however long the sequence is. Ids that a request
 * names are there too, and come first.
 */
public final class TokenCounts {
    /** Instead of a count: the sequence does not hold the id. */
    public static final int NAMED = -1;

    private int[] ids = new int[16];
    private int[] counts = new int[16];
    private int size;

    /** An open hash table: one more than an id's place, 0 where nothing is; at most half full. */
    private int[] places = new int[64];

    void add(int id, boolean inCompletion) {
        int place = place(id);
        if (counts[place] == NAMED) {
            counts[place] = 0;
        }
        if (inCompletion) {
            counts[place]++;
        }
    }

    /** An id that may be in neither prompt nor completion; to be called before any is added. */
    void name(int id) {
        counts[place(id)] = NAMED;
    }

    private int place(int id) {
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
        return places[at] - 1;
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

    /**
     * A copy, an entry for each of {@link #ids}; 0 for those that only the prompt holds, {@link
     * #NAMED} for those that nothing holds.
     */
    public int[] counts() {
        return Arrays.copyOf(counts, size);
    }
}
