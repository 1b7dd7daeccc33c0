/** Commands that print figures: evaluate and bench. */
@NullMarked
package dev.aril.engine.measure;

import org.jspecify.annotations.NullMarked;
