/** One method an operation; the CPU, the GPU and the plain-loop oracle. */
@NullMarked
package dev.aril.engine.kernels;

import org.jspecify.annotations.NullMarked;
