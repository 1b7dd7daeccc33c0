/** Which adapters exist, whose are they, where are their bytes? */
@NullMarked
package dev.aril.adapters;

import org.jspecify.annotations.NullMarked;
