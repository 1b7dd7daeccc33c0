package dev.aril.tenancy;

import java.util.Optional;
import java.util.UUID;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.Query;
import org.springframework.data.repository.query.Param;

interface ApiKeyRows extends JpaRepository<ApiKeyRow, UUID> {
    @Query("select k from ApiKeyRow k join fetch k.tenant where k.keyId = :keyId")
    Optional<ApiKeyRow> findWithTenant(@Param("keyId") String keyId);
}
