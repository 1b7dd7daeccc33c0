/**
 * The engine's door: prompt in, tokens out. Knows no tenant, no HTTP and no SQL; a tenant is an
 * opaque flow key, an adapter a content-addressed reference.
 */
@NullMarked
package dev.aril.engine;

import org.jspecify.annotations.NullMarked;
