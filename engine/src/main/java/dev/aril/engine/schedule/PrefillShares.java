package dev.aril.engine.schedule;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which prompts get the rows that decodes leave? Flows take turns of {@link #QUANTUM} rows, the one
 * whose prompt waits longest first; so a flow's many long prompts hold up its own, and everybody
 * makes progress. Within a flow, prompts go one after the other.
 */
final class PrefillShares {
    /** Large enough that a chunk reads the weights once for many rows. */
    static final int QUANTUM = 64;

    private PrefillShares() {}

    /**
     * @param prefilling sequences that lack more than one position, in the order of admission
     * @param budget rows to give away
     * @return rows of each sequence that gets any
     */
    static Map<Sequence, Integer> of(Collection<Sequence> prefilling, int budget) {
        Map<String, Integer> wanted = new LinkedHashMap<>();
        for (Sequence sequence : prefilling) {
            wanted.merge(sequence.flow(), lacking(sequence), Integer::sum);
        }
        Map<String, Integer> given = new LinkedHashMap<>();
        int left = budget;
        List<String> flows = new ArrayList<>(wanted.keySet());
        while (left > 0 && !flows.isEmpty()) {
            for (String flow : List.copyOf(flows)) {
                int open = wanted.getOrDefault(flow, 0) - given.getOrDefault(flow, 0);
                int rows = Math.min(Math.min(QUANTUM, open), left);
                given.merge(flow, rows, Integer::sum);
                left -= rows;
                if (rows == open) {
                    flows.remove(flow);
                }
            }
        }
        Map<Sequence, Integer> shares = new LinkedHashMap<>();
        for (Sequence sequence : prefilling) {
            int rows = Math.min(lacking(sequence), given.getOrDefault(sequence.flow(), 0));
            if (rows > 0) {
                shares.put(sequence, rows);
                given.merge(sequence.flow(), -rows, Integer::sum);
            }
        }
        return shares;
    }

    private static int lacking(Sequence sequence) {
        return sequence.length() - sequence.computed();
    }
}
