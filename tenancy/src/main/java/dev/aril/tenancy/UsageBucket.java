package dev.aril.tenancy;

import java.math.BigInteger;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What one group spent in one bucket of time; buckets without usage are absent.
 *
 * @param start of the bucket
 * @param tenant null where tenants are summed
 * @param keyId null where keys are summed
 * @param model null where models are summed
 * @param adapter null where adapters are summed; empty for the base model
 * @param costPicos by the prices at the time, in millionths of a micro-unit: exact
 */
public record UsageBucket(
        Instant start,
        @Nullable TenantId tenant,
        @Nullable String keyId,
        @Nullable String model,
        @Nullable String adapter,
        long requests,
        long promptTokens,
        long cachedTokens,
        long completionTokens,
        long engineMillis,
        BigInteger costPicos) {}
