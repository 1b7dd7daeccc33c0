/** The application: what is started, in which order, with which settings. */
@NullMarked
package dev.aril;

import org.jspecify.annotations.NullMarked;
