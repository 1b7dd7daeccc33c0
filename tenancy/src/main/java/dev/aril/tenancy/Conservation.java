package dev.aril.tenancy;

import java.util.List;

/**
 * Whether the counters equal the sums of the rows they count.
 *
 * @param events rows of the ledger that were summed
 * @param reservations open reservations that were summed
 * @param differences counters that differ, each in words; empty when all is well
 */
public record Conservation(long events, long reservations, List<String> differences) {
    public Conservation {
        differences = List.copyOf(differences);
    }

    public boolean holds() {
        return differences.isEmpty();
    }
}
