package dev.aril.tenancy;

import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.FetchType;
import jakarta.persistence.Id;
import jakarta.persistence.JoinColumn;
import jakarta.persistence.ManyToOne;
import jakarta.persistence.Table;
import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

@Entity
@Table(name = "api_keys")
class ApiKeyRow {
    @Id private UUID id;

    @ManyToOne(fetch = FetchType.LAZY, optional = false)
    @JoinColumn(name = "tenant_id", updatable = false)
    private TenantRow tenant;

    @Column(nullable = false, updatable = false)
    private String keyId;

    @Column(nullable = false, updatable = false)
    private byte[] secretHash;

    @Column(nullable = false)
    private String label;

    @Column(nullable = false, updatable = false)
    private Instant createdAt;

    private @Nullable Instant expiresAt;

    private @Nullable Instant revokedAt;

    /** For JPA, which fills the fields in. */
    @SuppressWarnings("NullAway.Init")
    protected ApiKeyRow() {}

    ApiKeyRow(
            UUID id,
            TenantRow tenant,
            String keyId,
            byte[] secretHash,
            String label,
            Instant createdAt) {
        this.id = id;
        this.tenant = tenant;
        this.keyId = keyId;
        this.secretHash = secretHash.clone();
        this.label = label;
        this.createdAt = createdAt;
    }

    TenantRow owner() {
        return tenant;
    }

    byte[] secretHash() {
        return secretHash.clone();
    }

    boolean revoked() {
        return revokedAt != null;
    }

    /** Instant.MAX when it never expires. */
    Instant expiresAt() {
        return expiresAt == null ? Instant.MAX : expiresAt;
    }
}
