package dev.aril.tenancy;

import java.nio.file.Path;

/**
 * What tenancy keeps outside the database; replicas that share a database share these files.
 *
 * @param pepper file of 32 random bytes under which API keys are hashed, made at the first start;
 *     keep it apart from the database's backups: together they let keys be guessed offline
 * @param webhookKey the same for webhooks: each endpoint's secret follows from it
 * @param privateWebhooks whether webhooks may go to private addresses, and without TLS
 */
public record TenancySettings(Path pepper, Path webhookKey, boolean privateWebhooks) {
    /** With the webhooks' key beside the pepper, and webhooks to public addresses only. */
    public TenancySettings(Path pepper) {
        this(pepper, pepper.resolveSibling("webhook-key"), false);
    }
}
