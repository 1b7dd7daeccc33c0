/** Commands that import and measure models; they start no server and need no database. */
@NullMarked
package dev.aril.commands;

import org.jspecify.annotations.NullMarked;
