package dev.aril.tenancy;

import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.time.Instant;
import java.util.UUID;

@Entity
@Table(name = "tenants")
class TenantRow {
    static final String ACTIVE = "active";

    @Id private UUID id;

    @Column(nullable = false, updatable = false)
    private String name;

    @Column(nullable = false)
    private String status;

    @Column(nullable = false, updatable = false)
    private Instant createdAt;

    /** For JPA, which fills the fields in. */
    @SuppressWarnings("NullAway.Init")
    protected TenantRow() {}

    TenantRow(UUID id, String name, Instant createdAt) {
        this.id = id;
        this.name = name;
        this.status = ACTIVE;
        this.createdAt = createdAt;
    }

    Tenant tenant() {
        return new Tenant(new TenantId(id), name);
    }

    boolean active() {
        return status.equals(ACTIVE);
    }
}
