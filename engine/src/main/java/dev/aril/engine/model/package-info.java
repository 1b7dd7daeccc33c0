/** Bytes: the checkpoint, the packed weights, adapters, and the forward pass over them. */
@NullMarked
package dev.aril.engine.model;

import org.jspecify.annotations.NullMarked;
