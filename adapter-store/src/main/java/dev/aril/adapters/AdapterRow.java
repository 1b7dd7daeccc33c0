package dev.aril.adapters;

import dev.aril.tenancy.TenantId;
import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.hibernate.annotations.JdbcTypeCode;
import org.hibernate.type.SqlTypes;

@Entity
@Table(name = "adapters")
class AdapterRow {
    @Id private UUID id;

    @Column(nullable = false, updatable = false)
    private UUID tenantId;

    @Column(nullable = false, updatable = false)
    private String name;

    @JdbcTypeCode(SqlTypes.CHAR)
    @Column(nullable = false, updatable = false, length = 64)
    private String digest;

    @Column(nullable = false, updatable = false)
    private int rank;

    @JdbcTypeCode(SqlTypes.JSON)
    @Column(nullable = false, updatable = false)
    private List<String> targets;

    @Column(nullable = false, updatable = false)
    private long parameters;

    @Column(nullable = false, updatable = false)
    private long bytes;

    @Column(nullable = false, updatable = false)
    private Instant createdAt;

    /** For JPA, which fills the fields in. */
    @SuppressWarnings("NullAway.Init")
    protected AdapterRow() {}

    AdapterRow(Adapter adapter) {
        this.id = adapter.id().value();
        this.tenantId = adapter.owner().value();
        this.name = adapter.name();
        this.digest = adapter.digest();
        this.rank = adapter.rank();
        this.targets = adapter.targets();
        this.parameters = adapter.parameters();
        this.bytes = adapter.bytes();
        this.createdAt = adapter.createdAt();
    }

    Adapter adapter() {
        return new Adapter(
                new AdapterId(id),
                new TenantId(tenantId),
                name,
                digest,
                rank,
                targets,
                parameters,
                bytes,
                createdAt);
    }

    String digest() {
        return digest;
    }
}
