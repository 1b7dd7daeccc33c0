/** Who may spend what, and what was spent? */
@NullMarked
package dev.aril.tenancy;

import org.jspecify.annotations.NullMarked;
