/** Text to ids and back. */
@NullMarked
package dev.aril.engine.text;

import org.jspecify.annotations.NullMarked;
