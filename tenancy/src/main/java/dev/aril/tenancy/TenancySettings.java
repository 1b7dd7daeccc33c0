package dev.aril.tenancy;

import java.nio.file.Path;

/**
 * Where tenancy keeps what is not in the database.
 *
 * @param pepper file of 32 random bytes under which API keys are hashed, made at the first start;
 *     keep it apart from the database's backups: together they let keys be guessed offline
 */
public record TenancySettings(Path pepper) {}
