/**
 * The GPU: which device there is, its memory, streams and kernels. A leaf: it knows no model. See
 * {@code cuda/RATIONALE.md} for what is here today.
 */
@NullMarked
package dev.aril.cuda;

import org.jspecify.annotations.NullMarked;
