package dev.aril.engine;

import java.util.List;

/**
 * What a verified adapter is.
 *
 * @param digest SHA-256 over the canonical config and tensors, 64 lower-case hex digits
 * @param rank the largest rank among its modules
 * @param targets the module names it changes, sorted, for example {@code down_proj, q_proj}
 * @param parameters the number of trained values
 */
public record AdapterSummary(String digest, int rank, List<String> targets, long parameters) {
    public AdapterSummary {
        targets = List.copyOf(targets);
    }
}
