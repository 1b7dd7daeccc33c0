@NullMarked
package dev.aril.adapters;

import org.jspecify.annotations.NullMarked;
