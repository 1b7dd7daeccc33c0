package dev.aril;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.Tenants;

/** Tenants for clients' suites: each with one limit. */
final class ClientTenants {
    private ClientTenants() {}

    /** The key of a new tenant that may have one request at a time. */
    static String narrow(Deployment aril) {
        return key(aril, Metric.CONCURRENT_REQUESTS, 1);
    }

    /** The key of a new tenant that may spend 50 tokens a minute. */
    static String small(Deployment aril) {
        return key(aril, Metric.TOKENS_PER_MINUTE, 50);
    }

    private static String key(Deployment aril, Metric metric, long hard) {
        Tenant tenant =
                aril.bean(Tenants.class)
                        .create(Actor.SERVER, "client" + Long.toString(System.nanoTime(), 36));
        aril.bean(Limits.class)
                .set(Actor.SERVER, tenant.id(), Limit.hard(QuotaScope.TENANT, metric, hard));
        return aril.bean(ApiKeys.class)
                .create(Actor.SERVER, tenant.id(), "client", KeyScope.ALL, null)
                .secret();
    }
}
