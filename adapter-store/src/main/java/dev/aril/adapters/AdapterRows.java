package dev.aril.adapters;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.Modifying;
import org.springframework.data.jpa.repository.Query;
import org.springframework.data.repository.query.Param;

interface AdapterRows extends JpaRepository<AdapterRow, UUID> {
    Optional<AdapterRow> findByTenantIdAndName(UUID tenantId, String name);

    List<AdapterRow> findByTenantIdOrderByName(UUID tenantId);

    boolean existsByTenantIdAndName(UUID tenantId, String name);

    boolean existsByDigest(String digest);

    @Query("select distinct a.digest from AdapterRow a")
    Set<String> digests();

    /** The number of rows deleted: 0 when another call was faster. */
    @Modifying
    @Query("delete from AdapterRow a where a.id = :id")
    int deleteRow(@Param("id") UUID id);
}
