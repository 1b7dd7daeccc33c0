package dev.aril.adapters;

import dev.aril.tenancy.TenantId;
import java.time.Instant;
import java.util.List;

/**
 * A tenant's published adapter.
 *
 * @param name what the tenant calls it; unique within the tenant
 * @param digest of its content, 64 lower-case hex digits
 * @param rank the largest among its modules
 * @param targets module names, sorted
 * @param parameters trained values
 * @param bytes of its two files
 */
public record Adapter(
        AdapterId id,
        TenantId owner,
        String name,
        String digest,
        int rank,
        List<String> targets,
        long parameters,
        long bytes,
        Instant createdAt) {
    public Adapter {
        targets = List.copyOf(targets);
    }
}
