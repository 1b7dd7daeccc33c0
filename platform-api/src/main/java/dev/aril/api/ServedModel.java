package dev.aril.api;

import dev.aril.engine.AdapterRef;
import org.jspecify.annotations.Nullable;

/**
 * What a request's {@code model} means.
 *
 * @param name as the tenant wrote it
 * @param adapter null for the base model
 * @param base the base model's name
 */
record ServedModel(String name, @Nullable AdapterRef adapter, String base) {}
