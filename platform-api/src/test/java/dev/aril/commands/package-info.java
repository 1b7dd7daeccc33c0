@NullMarked
package dev.aril.commands;

import org.jspecify.annotations.NullMarked;
