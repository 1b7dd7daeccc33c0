/** A Hugging Face checkpoint becomes an Aril model. */
@NullMarked
package dev.aril.engine.quantize;

import org.jspecify.annotations.NullMarked;
