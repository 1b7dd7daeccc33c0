package dev.aril.tenancy;

import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.springframework.data.jpa.repository.JpaRepository;

interface TenantRows extends JpaRepository<TenantRow, UUID> {
    Optional<TenantRow> findByName(String name);

    List<TenantRow> findAllByOrderByName();
}
