/** Tests that cross rooms: the whole application, with a real engine and a real PostgreSQL. */
@NullMarked
package dev.aril;

import org.jspecify.annotations.NullMarked;
