/** One method an operation; the CPU's implementation and the plain-loop oracle. */
@NullMarked
package dev.aril.engine.kernels;

import org.jspecify.annotations.NullMarked;
