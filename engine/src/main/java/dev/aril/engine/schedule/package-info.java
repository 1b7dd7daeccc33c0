/** Books: which sequences run, which KV blocks and adapters they hold. No bytes, no device. */
@NullMarked
package dev.aril.engine.schedule;

import org.jspecify.annotations.NullMarked;
